"""The few statistics that a benchmark reports. Pure; no value is invented between two measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import stdev

from gateway.bench.result import Distribution


def distribution(values: Iterable[float]) -> Distribution | None:
    """Quantiles by nearest rank, or None for no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Distribution(
        count=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        min=ordered[0],
        p50=_rank(ordered, 0.50),
        p90=_rank(ordered, 0.90),
        p99=_rank(ordered, 0.99),
        max=ordered[-1],
    )


def jain(shares: Sequence[float]) -> float | None:
    """Jain's fairness index; None for fewer than two users, or when nobody got anything."""
    squares = math.fsum(share * share for share in shares)
    if len(shares) < 2 or squares == 0:
        return None
    return math.fsum(shares) ** 2 / (len(shares) * squares)


def spread(values: Sequence[float]) -> float | None:
    """How far two of the values lie apart as a rule, over the mean: of two, how far they do.

    The square root of the mean squared difference of all pairs, which does not grow with their
    number as the largest difference does. None for fewer than two values, or a mean of 0.
    """
    mean = math.fsum(values) / len(values) if values else 0.0
    if len(values) < 2 or mean == 0:
        return None
    return math.sqrt(2) * stdev(values) / mean


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`, or None where there is no whole."""
    return part / whole if whole else None


def _rank(ordered: Sequence[float], share: float) -> float:
    # 0.99 * 100 is a little more than 99 in floating point: without rounding, the p99 of a
    # hundred values would be the largest.
    return ordered[max(1, math.ceil(round(share * len(ordered), 9))) - 1]
