"""The access record: one line for each request, with no word of prompt or completion in it."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import msgspec

from backends.base import Operation
from gateway.exchange import Exchange
from gateway.telemetry.bounded_names import harmless
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink

Format = Literal["json", "text"]


FLUSH_S = 0.02
"""Records are worked off together this long after the first: in a row they cost half as much,
because the code for them is then warm in the processor's cache."""


class Recorder:
    """Takes each finished exchange into the metrics and the access log.

    `sink` is None where access records are switched off. Belongs to one event loop.
    """

    def __init__(self, metrics: Metrics, sink: Sink | None, format: Format) -> None:
        self._metrics = metrics
        self._sink = sink
        self._line = _json_line if format == "json" else _text_line
        self._loop = asyncio.get_running_loop()
        self._finished: list[tuple[Exchange, float]] = []

    def record(self, exchange: Exchange, *, ended: float) -> None:
        """Note a finished exchange; `ended` is on the same monotonic clock as its times."""
        if not self._finished:
            self._loop.call_later(FLUSH_S, self.flush)
        self._finished.append((exchange, ended))

    def flush(self) -> None:
        """Work off what was noted. Called before the metrics are read, and at the end."""
        finished, self._finished = self._finished, []
        observe = self._metrics.observe
        for exchange, ended in finished:
            observe(exchange, ended=ended)
        if self._sink is not None:
            line, write, now = self._line, self._sink.write, time.time()
            for exchange, ended in finished:
                write(line(exchange, ended, now))


class _Line(msgspec.Struct, gc=False):
    """The access record as JSON. Times in milliseconds."""

    time: float
    request_id: str
    operation: str
    status: int
    code: str | None
    model: str | None
    backend: str | None
    runner: str | None
    tenant: str | None
    stream: bool
    attempts: int
    queue_ms: float
    first_token_ms: float | None
    total_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    ignored: tuple[str, ...]
    trace_id: str | None
    event: str = "request"


_encode = msgspec.json.Encoder().encode
_PATHS = {operation: str(operation) for operation in Operation}
"""A plain string is encoded three times as fast as a member of an enumeration."""


def _json_line(exchange: Exchange, ended: float, now: float) -> bytes:
    usage = exchange.usage
    first_token, started = exchange.first_token, exchange.started
    traceparent = exchange.traceparent
    line = _Line(
        int(now * 1000) / 1000,  # round() takes as long as encoding the line
        exchange.request_id,
        _PATHS[exchange.operation],
        exchange.status,
        None if exchange.code is None else harmless(exchange.code),
        exchange.model,
        exchange.backend,
        exchange.runner,
        exchange.tenant,
        exchange.stream,
        exchange.attempts,
        _ms(exchange.queue_s),
        None if first_token is None else _ms(first_token - started),
        _ms(ended - started),
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        usage.cached_tokens if usage else None,
        exchange.ignored,
        traceparent[3:35].decode("ascii") if traceparent is not None else None,
    )
    return _encode(line) + b"\n"


def _ms(time_s: float) -> float:
    return int(time_s * 100_000) / 100


def _text_line(exchange: Exchange, ended: float, now: float) -> bytes:
    parts = [
        time.strftime("%H:%M:%S", time.localtime(now)),
        str(exchange.status),
        exchange.operation.value,
        exchange.model or "-",
        exchange.runner or "-",
        f"{(ended - exchange.started) * 1000:.0f} ms",
    ]
    if exchange.queue_s >= 0.001:
        parts.append(f"waited {exchange.queue_s * 1000:.0f} ms")
    if exchange.usage is not None:
        parts.append(f"{exchange.usage.prompt_tokens}+{exchange.usage.completion_tokens} tokens")
    if exchange.code is not None:
        parts.append(harmless(exchange.code))
    return ("  ".join(parts) + "\n").encode()
