"""How sure one can be that two targets are equally fast. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEAST_PAIRS = 6
"""Fewer cannot make anybody 95 % sure: five all of one sign happen once in sixteen."""
_ASTRAY = 0.025
"""How often the truth lies below an interval, and how often above it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and between which two values the truth lies with 95 % confidence."""

    middle: float
    low: float
    high: float


def interval_of_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Of `ours` to `theirs`, which were measured in pairs, one beside the other.

    What comes and goes on a machine is as hard on both of a pair and drops out of their ratio; what
    comes between them makes a wild pair, which counts by its rank alone. None for fewer than
    `LEAST_PAIRS`, or where something stood still.
    """
    pairs = list(zip(ours, theirs, strict=False))
    if len(pairs) < LEAST_PAIRS or any(one <= 0 or other <= 0 for one, other in pairs):
        return None
    found = interval([math.log(one / other) for one, other in pairs])
    return Interval(math.exp(found.middle), math.exp(found.low), math.exp(found.high))


def interval(values: Sequence[float]) -> Interval:
    """Of the middle of at least `LEAST_PAIRS` values that lie as often above as below it.

    Hodges and Lehmann's estimate with the interval that belongs to Wilcoxon's signed-rank test
    (Hollander and Wolfe, Nonparametric Statistical Methods, 3.2 and 3.3).
    """
    count = len(values)
    means = sorted((values[i] + values[j]) / 2 for i in range(count) for j in range(i, count))
    outside = _outside(count)
    return Interval(median(means), means[outside], means[-1 - outside])


def _outside(count: int) -> int:
    """How many of the pairwise means lie outside the interval, on each side.

    The rank sum of `count` signs that fall by chance is at most so much with a probability of less
    than `_ASTRAY`.
    """
    ways = [1]
    for rank in range(1, count + 1):
        ways = [
            (ways[total] if total < len(ways) else 0) + (ways[total - rank] if total >= rank else 0)
            for total in range(len(ways) + rank)
        ]
    below, total = 0, 0
    while (below + ways[total]) / 2**count < _ASTRAY:
        below += ways[total]
        total += 1
    return total - 1
