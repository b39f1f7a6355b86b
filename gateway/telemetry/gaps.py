"""Times between the pieces of a stream, counted into buckets as cheaply as Python can.

It is called once for each piece of every stream, where a general histogram, with its lock and its
labels, would cost more than passing the piece on.
"""

from __future__ import annotations

from bisect import bisect_left

BUCKETS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""Upper bounds recommended by OpenTelemetry for the time per output token."""


class Gaps:
    """A histogram for one event loop. `counts` has one more entry than there are bounds."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, gap_s: float) -> None:
        """Count one gap."""
        self.counts[bisect_left(BUCKETS_S, gap_s)] += 1
        self.sum_s += gap_s
