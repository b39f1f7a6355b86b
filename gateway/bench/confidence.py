"""How sure a mean of few measurements is. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev

_SURE = 0.95
_BELOW = (1 + _SURE) / 2
"""Half of what is left out lies above the interval, half below."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and between which two values the true one lies with 95 % confidence."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float]) -> Interval | None:
    """Student's interval of the mean; None for fewer than two values, which show no spread."""
    if len(values) < 2:
        return None
    middle = mean(values)
    half = _student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(middle, middle - half, middle + half)


def interval_of_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Of `ours` to `theirs`, which were measured in pairs, one beside the other.

    What comes and goes on a machine is as hard on both of a pair and drops out of their ratio. The
    mean is the geometric one: twice as fast and half as fast make equal. None for fewer than two
    pairs, or where something stood still.
    """
    pairs = list(zip(ours, theirs, strict=False))
    if any(one <= 0 or other <= 0 for one, other in pairs):
        return None
    found = interval([math.log(one / other) for one, other in pairs])
    if found is None:
        return None
    return Interval(math.exp(found.mean), math.exp(found.low), math.exp(found.high))


def _student(freedom: int) -> float:
    """Half the width of the interval in standard errors, for so many degrees of freedom.

    Exact for one and two; above that by the expansion of Abramowitz and Stegun, 26.7.5, which is
    off by 0.1 % at three and by ever less.
    """
    if freedom == 1:
        return math.tan(math.pi * (_BELOW - 0.5))
    if freedom == 2:
        return (2 * _BELOW - 1) * math.sqrt(2 / (4 * _BELOW * (1 - _BELOW)))
    x = NormalDist().inv_cdf(_BELOW)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
