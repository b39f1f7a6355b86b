"""Finished exchanges for tests of telemetry."""

from __future__ import annotations

from typing import Any

from backends.base import Operation, Usage
from gateway.exchange import Exchange


def an_exchange(**fields: Any) -> Exchange:
    """An answered chat request that began at 100 s; `fields` overrides."""
    exchange = Exchange(Operation.CHAT, 100.0, "req_1")
    values: dict[str, Any] = {
        "model": "llama3",
        "backend": "ollama",
        "runner": "laptop",
        "status": 200,
        "attempts": 1,
        "queue_s": 0.25,
        "first_token": 101.0,
        "last_token": 102.0,
        "usage": Usage(prompt_tokens=11, completion_tokens=7),
    }
    for name, value in (values | fields).items():
        assert hasattr(exchange, name)
        setattr(exchange, name, value)
    return exchange
