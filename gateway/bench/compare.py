"""What changed between two results, and whether more than chance. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.bench.plots import broken_share, refused_share
from gateway.bench.result import Conditions, Distribution, Figures, Result, Step
from gateway.bench.statistics import spread
from gateway.bench.summary import load_name
from gateway.bench.units import UNKNOWN, number, percent, seconds

LEAST_CHANGE = 0.02
"""Smaller differences are noise even where repeats happen to agree better."""

_REPEATS = 2
"""Fewer do not show what chance does to a time or a speed. A request that failed did fail."""

Value = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one step in both results. `relative` is None where there is no ratio."""

    load: str
    target: str
    figure: str
    before: str
    after: str
    relative: float | None
    meaning: str
    """`better`, `worse`, `same` (within what repeats differ by), or why nothing can be said: what
    was measured once may be chance."""


@dataclass(frozen=True, slots=True)
class _Compared:
    name: str
    value: Value
    text: Callable[[float | None], str]
    higher_is_better: bool
    counts: bool = False
    """A share of outcomes: compared as a difference, and true even of a void step."""


def _quantile(field: str, quantile: str) -> Value:
    def value(figures: Figures) -> float | None:
        values: Distribution | None = getattr(figures, field)
        return None if values is None else float(getattr(values, quantile))

    return value


_COMPARED = (
    _Compared("tokens/s", lambda figures: figures.output_tokens_per_s, number, True),
    _Compared("per user", _quantile("user_tokens_per_s", "p50"), number, True),
    _Compared("TTFT p50", _quantile("ttft_s", "p50"), seconds, False),
    _Compared("TTFT p99", _quantile("ttft_s", "p99"), seconds, False),
    _Compared("ITL p50", _quantile("itl_s", "p50"), seconds, False),
    _Compared("E2E p99", _quantile("e2e_s", "p99"), seconds, False),
    _Compared("broken", broken_share, percent, False, counts=True),
    _Compared("refused", refused_share, percent, False, counts=True),
)


def compare(before: Result, after: Result) -> list[Change]:
    """Every figure of every step that both have. Targets match by name, or as the only two."""
    renamed = _renamed(before, after)
    known = {(step.target, step.users, step.rate): step for step in after.steps}
    changes: list[Change] = []
    for step in before.steps:
        other = known.get((renamed.get(step.target, step.target), step.users, step.rate))
        if other is not None:
            changes.extend(_changes(step, other))
    return changes


def differences(before: Conditions, after: Conditions) -> list[str]:
    """Conditions that differ, because of which the figures may differ too."""
    pairs: tuple[tuple[str, object, object], ...] = (
        ("machine", before.machine, after.machine),
        ("prompts", before.prompts, after.prompts),
        ("models", _of(before, "model"), _of(after, "model")),
        ("runners", _of(before, "kind"), _of(after, "kind")),
        ("runner versions", _of(before, "version"), _of(after, "version")),
        ("APIs", _of(before, "dialect"), _of(after, "dialect")),
        ("time of a measurement", before.duration_s, after.duration_s),
        ("requests of a measurement", before.requests, after.requests),
        ("retrying", before.retry, after.retry),
    )
    return [name for name, one, other in pairs if one != other]


def _of(conditions: Conditions, field: str) -> tuple[object, ...]:
    return tuple(getattr(target, field) for target in conditions.targets)


def _renamed(before: Result, after: Result) -> dict[str, str]:
    one, other = before.conditions.targets, after.conditions.targets
    return {one[0].name: other[0].name} if len(one) == len(other) == 1 else {}


def _changes(before: Step, after: Step) -> Iterable[Change]:
    void = before.void or after.void
    for compared in _COMPARED:
        one, other = compared.value(before.figures), compared.value(after.figures)
        if one is None and other is None:
            continue
        hidden = void and not compared.counts
        yield Change(
            load=load_name(before),
            target=before.target,
            figure=compared.name,
            before=UNKNOWN if hidden else compared.text(one),
            after=UNKNOWN if hidden else compared.text(other),
            relative=None if hidden or compared.counts else _relative(one, other),
            meaning="void" if hidden else _meaning(compared, before, after),
        )


def _relative(one: float | None, other: float | None) -> float | None:
    return None if not one or other is None else other / one - 1


def _meaning(compared: _Compared, before: Step, after: Step) -> str:
    one, other = compared.value(before.figures), compared.value(after.figures)
    if one is None or other is None:
        return "only in one of the two"
    change = other - one if compared.counts else _relative(one, other)
    if change is None:
        return "no ratio to 0"
    if abs(change) <= max(LEAST_CHANGE, _noise(compared, before), _noise(compared, after)):
        return "same"
    if not compared.counts and min(len(before.repeats), len(after.repeats)) < _REPEATS:
        return "measured once"
    return "better" if (change > 0) is compared.higher_is_better else "worse"


def _noise(compared: _Compared, step: Step) -> float:
    """By how much the repeats of one step differ in this figure."""
    values = [value for each in step.repeats if (value := compared.value(each)) is not None]
    if compared.counts:
        return max(values) - min(values) if values else 0.0
    return spread(values) or 0.0
