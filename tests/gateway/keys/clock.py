"""Time as a test wants it."""

from __future__ import annotations


class Clock:
    """Stands at `now`, in seconds, until the test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
