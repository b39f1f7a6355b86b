"""The access record: one line for each request, with no word of prompt or completion in it."""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec

from gateway.inference.exchange import Exchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink

Format = Literal["json", "text"]


class Recorder:
    """Takes each finished exchange into the metrics and the access log.

    `sink` is None where access records are switched off. Durations are in milliseconds.
    """

    def __init__(self, metrics: Metrics, sink: Sink | None, format: Format) -> None:
        self._metrics = metrics
        self._sink = sink
        self._line = _json_line if format == "json" else _text_line

    def record(self, exchange: Exchange, *, ended: float) -> None:
        """Note a finished exchange; `ended` is on the same monotonic clock as its times."""
        self._metrics.observe(exchange, ended=ended)
        if self._sink is not None:
            self._sink.write(self._line(exchange, ended))


def _fields(exchange: Exchange, ended: float) -> dict[str, Any]:
    usage = exchange.usage
    fields: dict[str, Any] = {
        "event": "request",
        "time": round(time.time(), 3),
        "request_id": exchange.request_id,
        "operation": exchange.operation.value,
        "status": exchange.status,
        "code": exchange.code,
        "model": exchange.model,
        "backend": exchange.backend,
        "runner": exchange.runner,
        "tenant": exchange.tenant,
        "stream": exchange.stream,
        "attempts": exchange.attempts,
        "queue_ms": _ms(exchange.queue_s),
        "first_token_ms": _ms(exchange.first_token, exchange.started),
        "total_ms": _ms(ended, exchange.started),
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
    }
    if exchange.ignored:
        fields["ignored"] = exchange.ignored
    if exchange.traceparent is not None:
        fields["trace_id"] = exchange.traceparent[3:35].decode("ascii")
    return fields


def _ms(time_s: float | None, since_s: float = 0.0) -> float | None:
    return None if time_s is None else round((time_s - since_s) * 1000, 1)


def _json_line(exchange: Exchange, ended: float) -> bytes:
    return msgspec.json.encode(_fields(exchange, ended)) + b"\n"


def _text_line(exchange: Exchange, ended: float) -> bytes:
    parts = [
        time.strftime("%H:%M:%S"),
        str(exchange.status),
        exchange.operation.value,
        exchange.model or "-",
        exchange.runner or "-",
        f"{(ended - exchange.started) * 1000:.0f} ms",
    ]
    if exchange.queue_s is not None and exchange.queue_s >= 0.001:
        parts.append(f"waited {exchange.queue_s * 1000:.0f} ms")
    if exchange.usage is not None:
        parts.append(f"{exchange.usage.prompt_tokens}+{exchange.usage.completion_tokens} tokens")
    if exchange.code is not None:
        parts.append(exchange.code)
    return ("  ".join(parts) + "\n").encode()
