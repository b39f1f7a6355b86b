"""Waiting for facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(fact: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Return as soon as `fact()` holds. Raises `TimeoutError` when it does not come to hold."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - a fact in another process or socket has no event
            await asyncio.sleep(0.005)
