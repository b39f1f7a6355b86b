"""From values to places on an axis, and the ticks that people expect there. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDE = 40.0
"""From this ratio of largest to smallest on, a straight axis would hide the small ones."""
_TOO_WIDE = 1e9
_NOTHING = 1e-12
"""What no figure of ours can be told from 0 below."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, straight or logarithmic. `ticks` lie within it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies, 0 at the low end and 1 at the high one."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def value_scale(values: Sequence[float], *, may_be_log: bool = False) -> Scale:
    """For at least one value, none negative. A straight axis begins at 0."""
    largest, smallest = max(values), min(values)
    if may_be_log and smallest > _NOTHING and _WIDE <= largest / smallest <= _TOO_WIDE:
        return _decades(smallest, largest)
    step = _round_step(largest / 4) if largest > _NOTHING else 0.25
    count = max(1, math.ceil(largest / step - 1e-9))
    return Scale(0.0, step * count, tuple(step * n for n in range(count + 1)))


def load_scale(loads: Sequence[float]) -> Scale:
    """For the loads that were measured: they are the ticks, with a little room on both sides."""
    ordered = tuple(sorted(set(loads)))
    smallest, largest = ordered[0], ordered[-1]
    if smallest == largest:
        return Scale(smallest * 0.5, smallest * 1.5, ordered)
    if largest / smallest > 2 * _WIDE:
        return Scale(smallest * 0.9, largest * 1.1, ordered, log=True)
    room = 0.03 * largest
    return Scale(min(0.0, smallest - room), largest + room, ordered)


def _decades(smallest: float, largest: float) -> Scale:
    low, high = math.floor(math.log10(smallest)), math.ceil(math.log10(largest))
    ticks = tuple(10.0**power for power in range(low, high + 1))
    return Scale(ticks[0], ticks[-1], ticks, log=True)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, … that is not smaller."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= rough * (1 - 1e-9))
