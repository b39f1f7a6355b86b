"""What became of processes, and waiting for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import psutil


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has ended too."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


class Elders:
    """Processes that run since before the test: shared fixtures of other tests keep servers."""

    pids: frozenset[int] = frozenset()


def children() -> set[int]:
    """Process ids of everything below us that runs and was started by the current test."""
    below = psutil.Process(os.getpid()).children(recursive=True)
    return {process.pid for process in below if not is_gone(process.pid)} - Elders.pids


def wait_until(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Return once it holds; fail if it does not in time. For facts outside this process."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


async def eventually(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """The same inside an event loop."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - no event tells of facts outside this process
            await asyncio.sleep(0.01)
