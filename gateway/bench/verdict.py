"""Whether figures may be believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.bench.plan import Load
from gateway.bench.result import Figures, Verdict, VerdictName
from gateway.bench.statistics import spread
from gateway.bench.units import number, seconds

BUSY = 0.8
"""Share of a core from which on a single-threaded generator is no longer sure to keep up."""
LATE_S = 0.002
LATE_SHARE = 0.05
"""A late loop spoils a time only if it is late by more than this share of it. A runner that takes
every core makes its own measurement late, by less than that as a rule."""
FAR_APART = 0.15
"""Spread of throughput from which on repeats disagree."""
COARSE_SHARE = 0.2
"""The same for times between tokens, which are short: more, and they are said to be rough."""
UNFAIR = 0.8
P99_NEEDS = 100
_PER_USER = 3
"""Requests for each user before unequal shares mean anything; not answers, which the starved
lack."""
REMEDIES: Mapping[VerdictName, str] = MappingProxyType(
    {
        "generator": "give the generator a core or a machine of its own, or ask for less load; "
        "'sluicegate bench ceiling' shows what it can do",
        "disagree": "measure longer (--duration), or on a machine that does nothing else",
    }
)
"""What to do, said once however many steps it is said of."""


def verdicts(
    together: Figures, repeats: Sequence[Figures], load: Load, *, interrupted: bool
) -> tuple[Verdict, ...]:
    """What a reader of these figures must know, the gravest first."""
    found = (
        _nothing(together),
        _generator(together),
        _disagree(repeats),
        Verdict(
            name="interrupted",
            message="stopped early: requests that were in flight are left out, the slow ones first",
            voids=False,
        )
        if interrupted
        else None,
        _coarse(together),
        _unfair(together, load),
        _short(together),
    )
    return tuple(verdict for verdict in found if verdict is not None)


def throughput_spread(repeats: Sequence[Figures]) -> float | None:
    """How far the repeats' throughputs lie apart; None for a single one, or if none has any."""
    return spread(_speeds(repeats))


def _nothing(figures: Figures) -> Verdict | None:
    if figures.completed:
        return None
    message = f"none of {figures.sent} requests completed: there is nothing to time"
    return Verdict(name="nothing", message=message, voids=True)


def _generator(figures: Figures) -> Verdict | None:
    seen = []
    if figures.generator_cpu > BUSY:
        seen.append(f"it took {figures.generator_cpu:.0%} of a core")
    ttft = figures.ttft_s
    late_s = figures.generator_late_s
    if ttft is not None and late_s > LATE_S and late_s > LATE_SHARE * ttft.p50:
        first = f"a first token came after {seconds(ttft.p50)}"
        seen.append(f"its clock ran {seconds(late_s)} late on average, where {first}")
    if "not sent" in figures.failed:
        seen.append(f"{figures.failed['not sent']} arrivals found no room in it")
    if not seen:
        return None
    message = f"the generator was the bottleneck: {', '.join(seen)}"
    return Verdict(name="generator", message=message, voids=True)


def _coarse(figures: Figures) -> Verdict | None:
    gaps, late_s = figures.itl_s, figures.generator_late_s
    if gaps is None or late_s <= LATE_S or late_s <= COARSE_SHARE * gaps.p50:
        return None
    message = (
        f"times between tokens are good to {seconds(late_s)} only: so late did the generator's "
        "clock run on average"
    )
    return Verdict(name="coarse", message=message, voids=False)


def _disagree(repeats: Sequence[Figures]) -> Verdict | None:
    apart = throughput_spread(repeats)
    if apart is None or apart <= FAR_APART:
        return None
    speeds = _speeds(repeats)
    message = f"repeats disagree: {number(min(speeds))} to {number(max(speeds))} tokens/s"
    return Verdict(name="disagree", message=message, voids=True)


def _unfair(figures: Figures, load: Load) -> Verdict | None:
    if (
        load.users is None
        or figures.fairness is None
        or figures.fairness >= UNFAIR
        or figures.sent < _PER_USER * load.users
    ):
        return None
    message = f"users got very different shares (fairness {figures.fairness:.2f}; 1 is equal)"
    return Verdict(name="unfair", message=message, voids=False)


def _short(figures: Figures) -> Verdict | None:
    if not 0 < figures.completed < P99_NEEDS:
        return None
    message = f"p99 of {figures.completed} requests is the slowest of them"
    return Verdict(name="short", message=message, voids=False)


def _speeds(repeats: Sequence[Figures]) -> list[float]:
    """A repeat in which nothing completed had a speed too: none."""
    return [figures.output_tokens_per_s or 0.0 for figures in repeats]
