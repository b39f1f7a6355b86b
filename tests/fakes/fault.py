"""How a fake runner fails, and what it sends then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tests.fakes.ollama_http import Exchange
from tests.fakes.recording import OUR_HEADERS

LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
OVERLOADED = (
    b'{"error":{"message":"The engine is currently busy and cannot accept new requests. Please try '
    b'again later or on a different instance.","type":"Service Unavailable","param":null,'
    b'"code":503}}'
)
ERROR_EVENT = b'data: {"error":{"message":"out of memory","type":"server_error","code":500}}\n\n'


class Fault(StrEnum):
    """How an inference request goes wrong. `Script.after` says after how many text chunks."""

    DROP = "the connection is closed before any byte of an answer"
    HANG = "no byte of an answer ever comes"
    CRASH = "an answer 500"
    OVERLOADED = "an answer 503 that asks to come again"
    HTML = "a page of a proxy that does not reach the runner"
    EMPTY = "a 200 with an empty body"
    CUT = "the connection is cut in the middle of the stream"
    STOPPED = "the stream ends cleanly, but too early"
    INTERRUPTED = "[DONE] comes too early (llama-cpp-python)"
    ERROR_EVENT = "the stream ends in an error event"
    GARBAGE = "an event of the stream is not JSON"
    NO_DONE = "the stream is complete but for [DONE]"


@dataclass(frozen=True, slots=True)
class Script:
    """What happens to inference requests from now on."""

    fault: Fault | None = None
    after: int = 1
    first_byte_s: float = 0.0
    """Time of computing before the first byte of an answer."""
    case: str | None = None
    """Answer with this recording, whatever was asked."""


async def send(
    exchange: Exchange,
    status: int,
    body: bytes,
    *,
    server: str = "uvicorn",
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    given = headers or (("server", server), ("content-type", "application/json"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given if name not in OUR_HEADERS)
    exchange.status = status
    exchange.writer.write(
        f"HTTP/1.1 {status} Whatever\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    )
    await exchange.writer.drain()


async def _drop(exchange: Exchange) -> None:
    exchange.broken = True


async def _hang(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def _crash(exchange: Exchange) -> None:
    await send(exchange, 500, b'{"error":{"message":"out of memory","code":500}}')


async def _overloaded(exchange: Exchange) -> None:
    await send(exchange, 503, OVERLOADED, headers=(("retry-after", "7"),))


async def _html(exchange: Exchange) -> None:
    await send(exchange, 502, b"<html><h1>502 Bad Gateway</h1></html>")


async def _empty(exchange: Exchange) -> None:
    await send(exchange, 200, b"")


AT_ONCE: Mapping[Fault | None, Callable[[Exchange], Awaitable[None]]] = MappingProxyType(
    {
        Fault.DROP: _drop,
        Fault.HANG: _hang,
        Fault.CRASH: _crash,
        Fault.OVERLOADED: _overloaded,
        Fault.HTML: _html,
        Fault.EMPTY: _empty,
    }
)
"""Faults instead of an answer."""
TAILS: Mapping[Fault, tuple[bytes, ...]] = MappingProxyType(
    {
        Fault.CUT: (),
        Fault.STOPPED: (),
        Fault.INTERRUPTED: (b"data: [DONE]\n\n",),
        Fault.ERROR_EVENT: (ERROR_EVENT,),
        Fault.GARBAGE: (b"data: {truncated\n\n",),
    }
)
"""How a stream goes on that fails in the middle."""
