"""A histogram and nothing else: no lock, no labels, no clock.

It is fed several times for each request and once for each piece of each stream, where a general
histogram would cost more than passing the piece on. It belongs to one event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

DURATION_S = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
"""OpenTelemetry's bounds for the duration of an operation."""

WAIT_S = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)

FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0),
)
"""OpenTelemetry's bounds for the time to the first token, and three more for those who queue."""

TOKEN_GAP_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""OpenTelemetry's bounds for the time per output token."""


class Buckets:
    """Counts values into buckets. `counts` has one more entry than there are bounds."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Upper bound and count of all values up to it, as Prometheus wants them."""
        count = 0
        for bound, counted in zip((*self._bounds, None), self.counts, strict=True):
            count += counted
            yield ("+Inf" if bound is None else str(bound)), float(count)
