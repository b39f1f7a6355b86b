"""Ending a task that may be inside the client library."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 0.2


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end.

    The client library may swallow a cancellation that falls into its connecting: so it is cancelled
    until it has ended.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_S)
