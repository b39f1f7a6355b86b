"""The access record: complete, valid, and without a word of what was asked or answered."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from backends.base import Operation
from gateway.exchange import Exchange
from gateway.telemetry.access import Format, Recorder
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink
from tests.gateway.serving import eventually
from tests.gateway.telemetry.exchanges import an_exchange
from tests.gateway.telemetry.meters import metrics

pytestmark = pytest.mark.anyio


@dataclass
class Log:
    """The far end of a recorder's pipe."""

    recorder: Recorder
    metrics: Metrics
    sink: Sink
    descriptor: int

    def lines(self) -> list[str]:
        """What was written; nothing can be recorded afterwards."""
        self.recorder.flush()
        self.sink.close()
        os.set_blocking(self.descriptor, False)
        with open(os.dup(self.descriptor), newline="\n") as far:
            return far.readlines()


@contextmanager
def a_log(format: Format) -> Iterator[Log]:
    counts = metrics()
    far, near = os.pipe()
    sink = Sink(near, on_drop=counts.drop_record, interval_s=0.005)
    try:
        yield Log(Recorder(counts, sink, format), counts, sink, far)
    finally:
        sink.close()
        os.close(near)
        os.close(far)


def written(exchange: Exchange, format: Format = "json", ended: float = 103.0) -> str:
    with a_log(format) as log:
        log.recorder.record(exchange, ended=ended)
        (line,) = log.lines()
    assert line.endswith("\n")
    return line


async def test_a_record_says_what_happened_in_milliseconds() -> None:
    exchange = an_exchange(stream=True, tenant="team-a", ignored=("seed",))
    exchange.traceparent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    record = json.loads(written(exchange))
    assert record.pop("time") > 1.6e9
    assert record == {
        "event": "request",
        "request_id": "req_1",
        "operation": "/chat/completions",
        "status": 200,
        "code": None,
        "model": "llama3",
        "backend": "ollama",
        "runner": "laptop",
        "tenant": "team-a",
        "stream": True,
        "attempts": 1,
        "queue_ms": 250.0,
        "first_token_ms": 1000.0,
        "total_ms": 3000.0,
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "cached_tokens": 0,
        "ignored": ["seed"],
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


async def test_a_request_refused_at_the_door_has_a_record_too() -> None:
    exchange = Exchange(Operation.EMBEDDINGS, 100.0, "req_2")
    exchange.status, exchange.code = 401, "invalid_api_key"
    record = json.loads(written(exchange, ended=100.0005))
    assert record["status"] == 401
    assert record["total_ms"] == 0.5
    for name in ("model", "backend", "runner", "first_token_ms", "prompt_tokens", "trace_id"):
        assert record[name] is None


async def test_no_field_can_hold_text_of_a_prompt_or_an_answer() -> None:
    """Every text in a record comes from the configuration, from us, or from a closed alphabet."""
    exchange = Exchange(Operation.CHAT, 100.0, "req_3")
    secret = "my secret prompt"
    exchange.read_headers(
        [
            (b"x-request-id", secret.encode()),
            (b"traceparent", secret.encode()),
            (b"authorization", b"Bearer " + secret.encode()),
            (b"x-api-key", secret.encode()),
            (b"content-encoding", secret.encode()),
            (b"user-agent", secret.encode()),
        ]
    )
    exchange.note_ignored((secret, "seed"))
    exchange.status, exchange.code = 502, secret
    assert "secret" not in written(exchange, "json")
    assert "secret" not in written(exchange, "text")


async def test_a_text_record_is_one_readable_line() -> None:
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  200  /chat/completions  llama3  laptop  3000 ms  waited 250 ms"
        r"  11\+7 tokens\n",
        written(an_exchange(), "text"),
    )


async def test_a_text_record_of_a_refusal_ends_in_its_code() -> None:
    exchange = an_exchange(
        status=404, code="model_not_found", model=None, runner=None, usage=None, queue_s=0.0
    )
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  404  /chat/completions  -  -  3000 ms  model_not_found\n",
        written(exchange, "text"),
    )


@pytest.mark.parametrize("code", ["two\nlines", "\x1b[31mred", "\u2028", "x\r\n200  forged"])
async def test_a_code_that_a_runner_made_up_forges_no_line(code: str) -> None:
    formats: tuple[Format, ...] = ("json", "text")
    for format in formats:
        line = written(an_exchange(code=code, status=502), format)
        assert line.count("\n") == 1
        assert "\x1b" not in line


async def test_records_keep_their_order_and_reach_the_metrics() -> None:
    with a_log("json") as log:
        for number in range(100):
            log.recorder.record(an_exchange(attempts=number), ended=103.0)
            if number % 30 == 0:
                await asyncio.sleep(0.03)
        assert [json.loads(line)["attempts"] for line in log.lines()] == list(range(100))
        assert b'status="200"} 100.0' in log.metrics.render()


async def test_records_are_worked_off_without_being_asked() -> None:
    with a_log("json") as log:
        log.recorder.record(an_exchange(), ended=103.0)
        await eventually(lambda: b'status="200"} 1.0' in log.metrics.render())


async def test_without_a_log_requests_are_still_counted() -> None:
    counts = metrics()
    recorder = Recorder(counts, None, "json")
    recorder.record(an_exchange(), ended=103.0)
    recorder.flush()
    assert b'status="200"} 1.0' in counts.render()
