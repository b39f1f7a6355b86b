"""One line of the table: what was promised, what was measured, and whether that will do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`row` is the row of the design study. Without a target it is there to be read, not judged."""

    row: str
    what: str
    target: str
    measured: str
    passed: bool | None
    detail: object = None

    @property
    def verdict(self) -> str:
        """As people read it."""
        return "-" if self.passed is None else "pass" if self.passed else "FAIL"


def at_least(row: str, what: str, target: float, value: float, detail: object = None) -> Line:
    """A figure that must not be lower."""
    return Line(row, what, f">= {target:g}", _figure(value), value >= target, detail)


def at_most(row: str, what: str, target: float, value: float, detail: object = None) -> Line:
    """A figure that must not be higher."""
    return Line(row, what, f"<= {target:g}", _figure(value), value <= target, detail)


def within(
    row: str, what: str, target: tuple[float, float], value: float, detail: object = None
) -> Line:
    """A figure that must lie between two."""
    low, high = target
    return Line(row, what, f"{low:g}-{high:g}", _figure(value), low <= value <= high, detail)


def shown(row: str, what: str, value: float, detail: object = None) -> Line:
    """A figure that belongs beside the others."""
    return Line(row, what, "-", _figure(value), None, detail)


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
