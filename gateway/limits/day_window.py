"""Units used in the last 24 hours, counted in two windows.

Of the day before, the share counts that the last 24 hours still reach into, as if its use had been
even. That needs two numbers for an owner where a log needs one for each request. The store's
script does the same arithmetic, with the same doubles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class DayWindow:
    """The number of a day since 1970, and the units used in it and in the day before."""

    window: int = -1
    current: int = 0
    previous: int = 0

    def at(self, now: int) -> DayWindow:
        """The same, seen from `now`; a clock that was set back stops at the day's beginning."""
        window = now // DAY
        if self.window >= window:
            return self
        if self.window == window - 1:
            return DayWindow(window, 0, self.current)
        return DayWindow(window)

    def elapsed(self, now: int) -> int:
        """How much of the day has passed."""
        return max(0, now - self.window * DAY)

    def used(self, now: int) -> float:
        """Units that count."""
        return self.previous * ((DAY - self.elapsed(now)) / DAY) + self.current

    def wait_us(self, now: int, limit: int, cost: int) -> int:
        """How long until `cost` more units fit; 0 where they fit now."""
        if self.used(now) + cost <= limit:
            return 0
        room = limit - cost - self.current
        left = DAY - self.elapsed(now)
        if room >= 0:
            return max(1, math.ceil(left - room / self.previous * DAY))
        return math.ceil(left + DAY - (limit - cost) / self.current * DAY)

    def taken(self, cost: int) -> DayWindow:
        """The same after `cost` more units."""
        return replace(self, current=self.current + cost)

    def remaining(self, now: int, limit: int) -> int:
        """Units that could be taken now."""
        return max(0, math.floor(limit - self.used(now)))

    def reset_us(self, now: int) -> int:
        """How long until nothing counts any more."""
        left = DAY - self.elapsed(now)
        return left + DAY if self.current > 0 else left if self.previous > 0 else 0

    def corrected(self, limit: int, *, reserved: int, actual: int) -> DayWindow:
        """The same after `reserved` units turned out to be `actual` ones.

        What was reserved before midnight is credited to the day before.
        """
        change = actual - min(reserved, limit)
        if change >= 0:
            most = max(self.current, min(self.current + change, 2 * limit))
            return replace(self, current=most)
        rest = min(0, self.current + change)
        return DayWindow(self.window, max(0, self.current + change), max(0, self.previous + rest))
