"""What the simulated runner's log says about its slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NEVER = 1e18


def quantile(values: Iterable[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each request was in a slot, in seconds of the machine's clock."""

    spans: list[tuple[float, float]]
    names: list[str]
    """Whose request each was."""

    @classmethod
    def of(cls, visits: list[Mapping[str, Any]]) -> Timeline:
        """From the log; what still runs ends never."""
        begun = [visit for visit in visits if visit["started"] is not None]
        return cls(
            [(v["started"], v["ended"] if v["ended"] is not None else NEVER) for v in begun],
            [v["name"] for v in begun],
        )

    def busy(self, begin: float, end: float, slots: int) -> float:
        """The share of the slots' time in which they worked."""
        used = sum(max(0.0, min(b, end) - max(a, begin)) for a, b in self.spans)
        return used / (slots * (end - begin))

    def gaps(self, begin: float, end: float, slots: int) -> list[float]:
        """From each end to the start that it made room for, while somebody always waits."""
        starts, ends = sorted(a for a, _ in self.spans), sorted(b for _, b in self.spans)
        pairs = zip(ends, starts[slots:], strict=False)
        return [start - over for over, start in pairs if begin <= over < end]

    def most_at_once(self, begin: float, end: float) -> int:
        """The most that ran at any moment from `begin` to `end`."""
        changes = sorted(
            change
            for a, b in self.spans
            if a < end and b > begin
            for change in ((max(a, begin), 1), (b, -1))
        )
        most = now = 0
        for at, change in changes:
            if at < end:
                now += change
                most = max(most, now)
        return most

    def first_full(self, after: float, slots: int) -> float:
        """When all slots were in use again for the first time after that moment."""
        now = sum(a <= after < b for a, b in self.spans)
        if now >= slots:
            return after
        changes = sorted(c for a, b in self.spans for c in ((a, 1), (b, -1)) if c[0] > after)
        for at, change in changes:
            now += change
            if now >= slots:
                return at
        return float("inf")

    def running(self) -> list[str]:
        """Whose requests had not ended when the log was read."""
        return [n for n, (_, end) in zip(self.names, self.spans, strict=True) if end == NEVER]

    def twice(self) -> list[str]:
        """Whose request was begun more than once."""
        return [name for name, count in Counter(self.names).items() if count > 1]
