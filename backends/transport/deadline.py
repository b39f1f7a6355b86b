"""A deadline that moves all the time and hardly ever costs a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `expired` once the loop's clock has passed `at`.

    Deadlines of a busy connection nearly always move away from now, so a timer set for an earlier
    one is left alone: it fires early, finds the deadline further off, and sets itself again. That
    is one timer per time budget instead of one per wait.
    """

    __slots__ = ("_at", "_expired", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired: Callable[[], None] | None = expired
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def move(self, at: float) -> None:
        """Put the deadline to the loop time `at`; `math.inf` for none."""
        self._at = at
        if at < self._timer_at:
            self._arm()

    def stop(self) -> None:
        """Never call again, and let go of the callback."""
        self._at = inf
        self._expired = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._at
        self._timer = self._loop.call_at(self._at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._timer_at = inf
        if self._loop.time() >= self._at:
            self._at = inf
            if self._expired is not None:
                self._expired()
        elif self._at < inf:
            self._arm()
