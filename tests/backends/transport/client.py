"""Short ways to do what nearly every test of the transport does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from backends.transport import Response, Timeouts, Transport

QUICK = Timeouts(connect_s=5, first_byte_s=5, idle_s=5, total_s=10)
"""Long enough never to strike in a test that is about something else."""


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Transport]:
    transport = Transport(url, **options)
    try:
        yield transport
    finally:
        await transport.aclose()
        assert transport.open_connections == 0


async def post(
    transport: Transport, body: bytes = b"{}", timeouts: Timeouts = QUICK, path: str = "/x"
) -> Response:
    return await transport.send(transport.head("POST", path), body, timeouts=timeouts)


async def fetch(transport: Transport, body: bytes = b"{}", timeouts: Timeouts = QUICK) -> bytes:
    """A whole exchange: the answer's body, the connection given back."""
    response = await post(transport, body, timeouts)
    try:
        return await response.read(200 * 1024 * 1024)
    finally:
        response.close()


async def eventually(fact: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until `fact` holds, looking at every turn of the event loop or so."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - the facts are the kernel's: there is no event
            await asyncio.sleep(0.001)
