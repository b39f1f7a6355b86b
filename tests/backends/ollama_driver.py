"""Drives the Ollama adapter against the fake Ollama, as the gateway would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backends.base import Prepared, TargetModel
from backends.ollama import OllamaBackend
from backends.transport import Timeouts, Transport
from tests.backends.ollama_calls import TARGET
from tests.backends.ollama_lines import deltas, events
from tests.fakes.ollama import FakeOllama

WAITING = Timeouts()
PINNED = TargetModel("llama3:8b", {"num_ctx": 8192, "keep_alive": "1h"})
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
BOTH_WAYS = pytest.mark.parametrize(
    "target", [pytest.param(TARGET, id="v1"), pytest.param(PINNED, id="native")]
)
"""The same request over `/v1` and, because of the pins, over Ollama's own API."""


@asynccontextmanager
async def driven(fake: FakeOllama) -> AsyncIterator[OllamaBackend]:
    backend = OllamaBackend(Transport(fake.url), name="laptop")
    try:
        yield backend
    finally:
        await backend.aclose()


async def streamed(backend: OllamaBackend, prepared: Prepared) -> tuple[list[Any], Any]:
    """The events of a streamed reply, and its reader."""
    response = await backend.open(prepared, extra=b"", timeouts=WAITING)
    try:
        if response.status != 200:
            body = await response.read(1 << 20)
            raise backend.read_error(response.status, response.headers, body)
        reader = backend.stream(prepared)
        sent = b""
        while data := await response.chunk():
            sent += reader.feed(data)
        return events(sent + reader.finish()), reader
    finally:
        response.close()


async def answered(backend: OllamaBackend, prepared: Prepared) -> dict[str, Any]:
    """The decoded body of a whole reply."""
    response = await backend.open(prepared, extra=b"", timeouts=WAITING)
    try:
        body = await response.read(1 << 20)
        if response.status != 200:
            raise backend.read_error(response.status, response.headers, body)
        decoded = json.loads(backend.read_reply(prepared, body).body)
    finally:
        response.close()
    assert isinstance(decoded, dict)
    return decoded


def text(chunks: list[Any]) -> str:
    return "".join(delta.get("content") or "" for delta in deltas(chunks))
