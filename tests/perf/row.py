"""One line of the result: what was measured, its budget, and whether it was kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """A measured quantity. `passed` is None where it has no budget or could not be measured."""

    key: str
    what: str
    budget: str
    measured: str
    ratio: str = ""
    passed: bool | None = None
    missing: bool = False  # it has a budget, and what the budget is about was not measured
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.missing:
            return "not measured"
        return "" if self.passed is None else ("pass" if self.passed else "FAIL")


@dataclass(frozen=True, slots=True)
class Spread:
    """The rounds of one figure: their median, and how far they lie apart."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    def over(self, other: Spread) -> Spread:
        """Round by round, this divided by the other."""
        return Spread(tuple(a / b for a, b in zip(self.rounds, other.rounds, strict=True)))

    def text(self, digits: int) -> str:
        """Lowest and highest round, as `4.2-4.5`."""
        return f"{min(self.rounds):.{digits}f}-{max(self.rounds):.{digits}f}"


def grouped(number: float) -> str:
    """A whole number with its thousands apart: `100 000`."""
    return f"{number:,.0f}".replace(",", " ")


def quantile(values: list[float], q: float) -> float:
    """The value below which the share `q` lies (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(q * len(ranked)))]
