"""One request against a real socket: every way it can end has a name, and leaving cuts it."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from gateway.bench.asker import Asker
from gateway.bench.plan import Target
from gateway.bench.prompts import fixed_prompt
from gateway.bench.result import DialectName
from gateway.bench.run import bodies
from gateway.bench.timeline import Timeline
from tests.fakes.eventually import eventually
from tests.fakes.fault import Fault, Script
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_http import Exchange, HttpServer
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

TOKENS = 5


def target(url: str, *, model: str = "tiny", dialect: DialectName = "openai-chat") -> Target:
    return Target(name="raw", group="g", url=url, model=model, dialect=dialect)


async def asked(
    aim: Target, *, timeout_s: float = 10, retry: random.Random | None = None
) -> Timeline:
    body = bodies(aim, fixed_prompt("hello", TOKENS, exact=False))[0]
    async with Asker(aim, timeout_s=timeout_s, connections=4, retry=retry) as asker:
        timeline = Timeline(0, time.perf_counter())
        await asker.ask(timeline, body)
        return timeline


async def test_a_whole_answer_is_timed_and_counted() -> None:
    async with FakeRunner("vllm", tokens_per_s=100) as runner:
        seen = await asked(target(runner.url))
    assert seen.outcome == "completed"
    assert seen.ttft_s is not None
    assert 0.005 < seen.ttft_s < seen.e2e_s
    assert seen.chunks == len(seen.gaps) + 1 == TOKENS
    assert (seen.input_tokens, seen.output_tokens) != (None, None)


async def test_ollama_is_read_in_its_own_dialect() -> None:
    async with FakeOllama() as ollama:
        seen = await asked(target(ollama.url, model="gemma:2b", dialect="ollama"))
    assert (seen.outcome, seen.ttft_s is not None) == ("completed", True)
    assert seen.output_tokens is not None


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.DROP, "failed connection lost"),
        (Fault.CRASH, "failed http 500"),
        (Fault.OVERLOADED, "refused 503"),
        (Fault.EMPTY, "truncated"),
        (Fault.CUT, "truncated"),
        (Fault.STOPPED, "truncated"),
        (Fault.INTERRUPTED, "truncated"),
        (Fault.NO_DONE, "truncated"),
        (Fault.ERROR_EVENT, "failed error in stream"),
        (Fault.GARBAGE, "failed not an answer"),
        (Fault.HANG, "timed out"),
    ],
)
async def test_every_way_to_fail_has_its_name(fault: Fault, outcome: str) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(fault)
        seen = await asked(target(runner.url), timeout_s=0.3 if fault is Fault.HANG else 10)
    assert seen.outcome == outcome
    assert not seen.completed


async def test_a_runner_that_is_not_there_is_a_failure_to_connect() -> None:
    async with FakeRunner("vllm") as runner:
        url = runner.url
    seen = await asked(target(url))
    assert seen.outcome == "failed connect"


class Refusing:
    """Says no so many times, then answers as a runner does."""

    def __init__(self, times: int, retry_after: str | None) -> None:
        self.left = times
        self.retry_after = retry_after

    async def answer(self, exchange: Exchange) -> None:
        if self.left:
            self.left -= 1
            headers = "" if self.retry_after is None else f"Retry-After: {self.retry_after}\r\n"
            exchange.status = 503
            exchange.writer.write(
                f"HTTP/1.1 503 Busy\r\n{headers}Content-Length: 0\r\n\r\n".encode()
            )
            return
        kind = "text/event-stream"
        await exchange.piece(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', kind)
        await exchange.piece(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n', kind)
        await exchange.piece(b"data: [DONE]\n\n", kind)
        await exchange.end()


async def refused(times: int, retry_after: str | None, *, retry: bool) -> tuple[Timeline, int]:
    server = HttpServer(Refusing(times, retry_after).answer)
    await server.start()
    try:
        seen = await asked(target(server.url), retry=random.Random(1) if retry else None)
        return seen, len(server.requests)
    finally:
        await server.stop()


async def test_a_refusal_is_the_end_and_its_retry_after_is_noted() -> None:
    seen, requests = await refused(1, "7", retry=False)
    assert (seen.outcome, seen.refused_status, requests) == ("refused 503", 503, 1)
    assert (seen.told_to_come_back, seen.retry_after_s) == (True, 7.0)
    untold, _ = await refused(1, None, retry=False)
    assert (untold.told_to_come_back, untold.retry_after_s) == (False, None)


async def test_retrying_waits_as_told_and_the_wait_is_the_callers() -> None:
    seen, requests = await refused(2, "0.05", retry=True)
    assert (seen.outcome, seen.attempts, requests) == ("completed", 3, 3)
    assert seen.refused_status is None
    assert seen.ttft_s is not None
    assert seen.ttft_s > 0.1


async def test_retrying_gives_up_after_two_retries() -> None:
    seen, requests = await refused(9, "0.01", retry=True)
    assert (seen.outcome, seen.attempts, requests) == ("refused 503", 3, 3)


async def test_a_cancelled_request_is_cut_at_once() -> None:
    async with FakeRunner("vllm", tokens_per_s=2) as runner:
        aim = target(runner.url)
        body = bodies(aim, fixed_prompt("hello", 50, exact=False))[0]
        async with Asker(aim, timeout_s=60, connections=4, retry=None) as asker:
            timeline = Timeline(0, time.perf_counter())
            asking = asyncio.ensure_future(asker.ask(timeline, body))
            await eventually(lambda: timeline.chunks > 0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await eventually(lambda: runner.in_flight == 0)
        assert runner.requests[-1].cut
