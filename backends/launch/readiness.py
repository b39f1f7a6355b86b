"""Wait until a runner that is starting answers on its port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from backends.launch.commands.base import HOST

_POLL_S = 0.1
_ANSWER_S = 2.0
_TICK_S = 1.0


async def wait_until_ready(
    port: int,
    path: str,
    exited: asyncio.Future[int],
    *,
    limit_s: float,
    on_tick: Callable[[float], None],
) -> Literal["ready", "exited", "late"]:
    """Ask `path` until it answers 200, the process has exited, or `limit_s` is over.

    `on_tick` gets the seconds waited, about once a second. Cancelling it leaves nothing open.
    """
    loop = asyncio.get_running_loop()
    began = ticked = loop.time()
    while True:
        if await _status(port, path) == 200 and not exited.done():
            return "ready"
        await asyncio.wait({exited}, timeout=_POLL_S)
        now = loop.time()
        if exited.done():
            return "exited"
        if now - began >= limit_s:
            return "late"
        if now - ticked >= _TICK_S:
            ticked = now
            on_tick(now - began)


async def _status(port: int, path: str) -> int | None:
    """The HTTP status of a GET; None when nothing that speaks HTTP answers in time."""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(request.encode("ascii"))
                line = await reader.readline()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError):  # ValueError: an endless first line
        return None
    words = line.split()
    if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit():
        return int(words[1])
    return None
