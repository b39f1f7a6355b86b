"""The plots of a result: what people look at, and nothing that has no points. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.bench.plot import Plot, Series
from gateway.bench.result import Distribution, Figures, Result, Step, TargetFacts
from gateway.bench.units import number, percent, seconds

COLOURS = 8
"""So many the page has; more lines share them."""

Value = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    better: str
    value: Value
    text: Callable[[float], str]
    may_be_log: bool = False
    counts: bool = False
    """It counts outcomes, which are true even of a step whose times are void."""


def _p50(values: Distribution | None) -> float | None:
    return None if values is None else values.p50


def _p99(values: Distribution | None) -> float | None:
    return None if values is None else values.p99


def broken_share(figures: Figures) -> float | None:
    """Requests that were neither answered whole nor honestly refused, as a share of all."""
    refused = sum(figures.refused.values())
    wrong = figures.sent - figures.completed - refused
    return wrong / figures.sent if figures.sent else None


def refused_share(figures: Figures) -> float | None:
    """Requests that were refused, as a share of all."""
    return sum(figures.refused.values()) / figures.sent if figures.sent else None


_KINDS = (
    _Kind(
        "Throughput of all together, tokens/s",
        "higher is better",
        lambda figures: figures.output_tokens_per_s,
        number,
    ),
    _Kind(
        "What each user gets, tokens/s (median)",
        "higher is better",
        lambda figures: _p50(figures.user_tokens_per_s),
        number,
        may_be_log=True,
    ),
    _Kind(
        "Wait for the first token, p50",
        "lower is better",
        lambda figures: _p50(figures.ttft_s),
        seconds,
        may_be_log=True,
    ),
    _Kind(
        "Wait for the first token, p99",
        "lower is better",
        lambda figures: _p99(figures.ttft_s),
        seconds,
        may_be_log=True,
    ),
    _Kind(
        "Failed, cut short or timed out",
        "lower is better",
        broken_share,
        percent,
        counts=True,
    ),
    _Kind("Refused (429, 503)", "an honest no", refused_share, percent, counts=True),
)
_AXES: tuple[tuple[str, Callable[[Step], float | None]], ...] = (
    ("users at once", lambda step: step.users),
    ("requests a second", lambda step: step.rate),
)


def series_of(targets: Sequence[TargetFacts]) -> dict[str, Series]:
    """A line without points for each target. A runner and the gateway before it have one colour
    if there are several runners; what is measured raw is dashed beside a gateway.
    """
    groups = list(dict.fromkeys(target.group for target in targets))
    both = len({target.path for target in targets}) > 1
    lines = {}
    for position, target in enumerate(targets):
        colour = groups.index(target.group) if len(groups) > 1 and both else position
        dashed = both and target.path == "raw"
        lines[target.name] = Series(target.name, (), colour % COLOURS, dashed)
    return lines


def plots_of(result: Result) -> list[Plot]:
    """The plots that have points; counts of outcomes only where there was one to count."""
    targets = result.conditions.targets
    lines = series_of(targets)
    drawn = []
    for axis, load in _AXES:
        steps = [step for step in result.steps if load(step) is not None]
        for kind in _KINDS:
            series = [
                replace(line, points=_points(kind, steps, line.name, load))
                for line in lines.values()
            ]
            values = [value for each in series for _, value in each.points]
            if values and not (kind.counts and not any(values)):
                drawn.append(
                    Plot(kind.title, axis, series, kind.text, kind.may_be_log, kind.better)
                )
    return drawn


def _points(
    kind: _Kind, steps: Sequence[Step], target: str, load: Callable[[Step], float | None]
) -> tuple[tuple[float, float], ...]:
    points = []
    for step in steps:
        if step.target != target or (step.void and not kind.counts):
            continue
        x, value = load(step), kind.value(step.figures)
        if x is not None and value is not None:
            points.append((float(x), value))
    return tuple(sorted(points))
