"""Figures as people read them. Pure; what is not known is a dash, never a number."""

from __future__ import annotations

UNKNOWN = "-"


def seconds(value: float | None) -> str:
    """A time: `0.4 ms`, `210 ms`, `1.32 s`, `95 s`."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0 s"
    if value < 0.9995:
        return f"{value * 1000:.{1 if value < 0.00995 else 0}f} ms"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} s"


def number(value: float | None) -> str:
    """A speed or a ratio, to three digits or to the whole number."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def percent(value: float | None) -> str:
    """A share: `97 %`; one that is neither nothing nor all never looks as if it were."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < value < 1 else f"{value:.0%}".replace("%", " %")


def counts(by_kind: dict[str, int]) -> str:
    """Counts by kind: `0`, or `12 (503)`, or `3 (connect 1, http 500 2)`."""
    total = sum(by_kind.values())
    if not total:
        return "0"
    if len(by_kind) == 1:
        return f"{total} ({next(iter(by_kind))})"
    return f"{total} ({', '.join(f'{kind} {count}' for kind, count in by_kind.items())})"
