"""A bucket that refills evenly within a minute (GCRA), in whole microseconds.

All there is of a bucket is its TAT, the time at which it will be full again: a bucket holds one
minute's worth, a unit takes 60 s / limit of it, and time gives it back. The store's script does
the same arithmetic, with the same doubles.
"""

from __future__ import annotations

import math

MINUTE = 60_000_000
MOST_DEBT = MINUTE
"""How far a settlement may overdraw a bucket, beyond empty."""


def cost_us(units: int, limit: int) -> int:
    """What `units` take of a bucket; rounded down, so that a full one holds the whole limit."""
    return math.floor(float(units) * MINUTE / limit)


def current(tat: int, now: int) -> int:
    """The TAT without what has passed; and healed, should the clock have been set back."""
    return max(now, min(tat, now + MINUTE + MOST_DEBT))


def wait_us(tat: int, cost: int, now: int) -> int:
    """How long until `cost` can be taken; not above 0 where it can be taken now."""
    return tat + cost - now - MINUTE


def remaining(tat: int, limit: int, now: int) -> int:
    """How many units could be taken at once."""
    room = now + MINUTE - tat
    return max(0, min(limit, math.ceil(float(room + 1) * limit / MINUTE) - 1))


def change_us(limit: int, *, reserved: int, actual: int) -> int:
    """How the TAT moves when `reserved` units turn out to be `actual` ones."""
    return cost_us(min(actual, 2 * limit), limit) - cost_us(min(reserved, limit), limit)


def corrected(tat: int, change: int, now: int) -> int:
    """The TAT after such a change: never fuller than full, nor deeper in debt than may be."""
    return max(now, min(tat + change, now + MINUTE + MOST_DEBT))
