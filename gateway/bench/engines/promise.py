"""What the gateway promises of a runner under load, held against what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.bench.confidence import LEAST_PAIRS, interval_of_ratio
from gateway.bench.result import Result, Step, Verdict
from gateway.bench.units import number, seconds

CROWD = 15
"""Users from which on it is the gateway that makes the difference."""
CLOSE = 0.03
"""How far throughput through the gateway may fall below that of the runner alone."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, for one engine at one number of users."""

    engine: str
    users: int
    what: str
    measured: str
    kept: bool | None
    """None: it cannot be told; `measured` says why."""
    wants_repeats: bool = False
    """It could be told from more repeats: there were too few, or they lie too far apart."""


def promises(result: Result, *, queue_s: float) -> list[Promise]:
    """Every promise for every engine that was asked through a gateway by a crowd."""
    groups = {target.name: target.group for target in result.conditions.targets}
    paths = {target.name: target.path for target in result.conditions.targets}
    raw = {
        (groups[step.target], step.users): step
        for step in result.steps
        if paths[step.target] == "raw"
    }
    found: list[Promise] = []
    for step in result.steps:
        if paths[step.target] == "gateway" and step.users is not None and step.users >= CROWD:
            engine = groups[step.target]
            found += _answers(engine, step.users, step)
            found += _first_token(engine, step.users, step, queue_s)
            found += _throughput(engine, step.users, step, raw.get((engine, step.users)))
    return found


def _answers(engine: str, users: int, step: Step) -> Iterator[Promise]:
    figures = step.figures
    refused = sum(figures.refused.values())
    silent = refused - figures.refused_with_retry_after
    lost = sum(figures.failed.values()) + figures.truncated + figures.timed_out
    text = f"{figures.completed} of {figures.sent} whole, {refused} refused"
    if lost or silent:
        text += f", {lost} lost, {silent} refused without Retry-After"
    yield Promise(engine, users, "answered or told when to come back", text, not (lost or silent))


def _first_token(engine: str, users: int, step: Step, queue_s: float) -> Iterator[Promise]:
    waited = step.figures.queue_s
    if waited is not None:
        text = f"wait p99 {seconds(waited.p99)}, budget {seconds(queue_s)}"
        ttft = step.figures.ttft_s
        if ttft is not None:
            text = f"first token p99 {seconds(ttft.p99)}, {text}"
        yield Promise(engine, users, "waits within the budget", text, waited.p99 <= queue_s)


def _throughput(engine: str, users: int, step: Step, alone: Step | None) -> Iterator[Promise]:
    """Only beside a runner that survived the crowd alone.

    By the interval that the pairs of repeats leave: a promise is neither kept nor broken by chance.
    """
    if alone is None or _lost(alone):
        return
    spoilt = {verdict.message for verdict in (*step.verdicts, *alone.verdicts) if _spoils(verdict)}
    ratio = interval_of_ratio(_speeds(step), _speeds(alone))
    pairs = min(len(step.repeats), len(alone.repeats))
    kept: bool | None = None
    wants_repeats = False
    if spoilt:
        text = "; ".join(sorted(spoilt))
    elif ratio is not None:
        text = f"{_change(ratio.middle)}, between {_change(ratio.low)} and {_change(ratio.high)}"
        wants_repeats = ratio.low < 1 - CLOSE <= ratio.high
        if not wants_repeats:
            kept = ratio.low >= 1 - CLOSE
    elif pairs < LEAST_PAIRS:
        wants_repeats = True
        text = f"{pairs} of the {LEAST_PAIRS} repeats that it takes"
    else:
        text = "nothing was delivered in one of the repeats"
    if not (step.void or alone.void):
        ours, theirs = step.figures.output_tokens_per_s, alone.figures.output_tokens_per_s
        text = f"{number(ours)} of {number(theirs)} tokens/s: {text}"
    yield Promise(engine, users, "as fast as alone, within 3 %", text, kept, wants_repeats)


def _spoils(verdict: Verdict) -> bool:
    """Whether it makes pairs worthless too. Repeats that disagree do it only if pairs do."""
    return verdict.voids and verdict.name != "disagree"


def _speeds(step: Step) -> list[float]:
    return [figures.output_tokens_per_s or 0.0 for figures in step.repeats]


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}".replace("%", " %")


def _lost(step: Step) -> int:
    figures = step.figures
    return sum(figures.failed.values()) + figures.truncated + figures.timed_out
