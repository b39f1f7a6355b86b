"""Service times from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

SECOND = 1_000_000
"""The simulation counts in whole microseconds, as the scheduler does."""


def lognormal(source: random.Random, mean_us: int, cv: float) -> Iterator[int]:
    """Service times with this mean and coefficient of variation, without end."""
    variance = math.log(1 + cv * cv)
    mu, sigma = math.log(mean_us) - variance / 2, math.sqrt(variance)
    while True:
        yield max(1000, int(source.lognormvariate(mu, sigma)))


def arrivals(source: random.Random, rate_per_s: float, until_us: int) -> Iterator[int]:
    """The moments of a Poisson process."""
    at = 0.0
    while True:
        at += source.expovariate(rate_per_s) * SECOND
        if at >= until_us:
            return
        yield int(at)
