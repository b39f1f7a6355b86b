"""Facts from what a running gateway told of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, get_args

from backends.base import BackendKind
from gateway.advise.facts import Engine, Facts, Step
from gateway.advise.hardware import Hardware
from gateway.advise.scrape import Pair, PairReading, Reading
from gateway.advise.use import Use, uses_of_fields

_ENOUGH = 30
"""Answers within the time of looking that make older ones superfluous."""
_KINDS: tuple[BackendKind, ...] = get_args(BackendKind)


class NothingSeen(Exception):
    """The gateway has answered nothing that advice could rest on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Readings of one gateway, in the order they were made, and its list of models."""

    url: str
    took_s: float
    """From the first to the last reading."""
    readings: tuple[Reading, ...]
    models: tuple[Mapping[str, Any], ...]


def facts_from(
    observation: Observation,
    *,
    model: str | None = None,
    runner: str | None = None,
    hardware: Hardware | None = None,
    uses: frozenset[Use] = frozenset(),
) -> Facts:
    """The facts of one model. `model` and `runner` choose; by default those with most to do.

    Raises `NothingSeen` when they do not exist or have answered nothing.
    """
    first, last = observation.readings[0], observation.readings[-1]
    pair = _choose_pair(last, model, observation.url)
    name, several = _choose_runner(observation.readings, runner, observation.url)
    recent = last.pairs[pair].since(first.pairs.get(pair))
    lately = recent.answered >= _ENOUGH
    reading = recent if lately else last.pairs[pair]
    slots = None if name is None else last.slots.get(name)
    step = _step(observation, pair, reading, name, lately=lately, slots=slots)
    context_length = _whole(_card(observation.models, pair[0]).get("context_length"))
    doubts = []
    if several and runner is None:
        text = f"there are several runners; {name}, the busiest, was looked at"
        doubts.append(f"{text} (--runner chooses another)")
    if step.users < 1.5 * (slots or 1.0):
        doubts.append("it was looked at while little was asked of it; under load it may be slower")
    return Facts(
        source=f"{observation.url}, "
        + (f"the last {observation.took_s:.0f} s" if lately else "since its start"),
        current=Engine(
            name=name or pair[1],
            backend=_kind(pair[1]),
            model=pair[0],
            upstream_model=pair[0],
            runner=name,
            slots=int(slots) if slots else None,
            queued=(step,),
            context_length=context_length,
        ),
        hardware=hardware,
        uses=uses | uses_of_fields(reading.ignored) | ({Use.CONTEXT} if context_length else set()),
        doubts=tuple(doubts),
    )


def _step(
    observation: Observation,
    pair: Pair,
    reading: PairReading,
    runner: str | None,
    *,
    lately: bool,
    slots: float | None,
) -> Step:
    """The load as one step: its people at once are the most that were seen together."""
    at_once = [_busy(each, runner) for each in observation.readings]
    users = max(1.0, *at_once) if lately else max(1.0, fmean(at_once))
    working = min(users, slots) if slots else users
    held_s = (reading.duration.mean_s or 0.0) - (reading.wait.mean_s or 0.0)
    answered = reading.answered
    if answered <= 0 or held_s <= 0:
        raise NothingSeen(
            f"{observation.url} has answered no request for '{pair[0]}' on {pair[1]} yet: "
            "send it traffic, or measure with 'sluicegate bench'"
        )
    # The time in which so many requests at work would have answered so many.
    duration_s = answered * held_s / working
    without_backend = observation.readings[-1].pairs.get((pair[0], ""), PairReading())
    if lately:
        without_backend = without_backend.since(
            observation.readings[0].pairs.get((pair[0], ""), PairReading())
        )
    gap_s = reading.token_gap.mean_s
    return Step(
        users=users,
        duration_s=duration_s,
        completed=answered,
        refused=_count(reading, "429", "503") + _count(without_backend, "503"),
        broken=_count(reading, "500", "502", "504"),
        first_token_p99_s=reading.first_token.quantile_s(0.99),
        tokens_per_s=reading.tokens_out / duration_s if reading.tokens_out > 0 else None,
        answer_tokens_per_s=1 / gap_s if gap_s else None,
        answer_s=reading.duration.mean_s,
    )


def _count(reading: PairReading, *statuses: str) -> int:
    return int(sum(reading.by_status.get(status, 0.0) for status in statuses))


def _busy(reading: Reading, runner: str | None) -> float:
    if runner is None:
        return 0.0
    return reading.in_flight.get(runner, 0.0) + reading.waiting.get(runner, 0.0)


def _choose_pair(reading: Reading, model: str | None, url: str) -> Pair:
    pairs = {pair: each for pair, each in reading.pairs.items() if pair[1]}
    if model is not None:
        pairs = {pair: each for pair, each in pairs.items() if pair[0] == model}
    if not pairs:
        known = ", ".join(sorted({pair[0] for pair in reading.pairs if pair[1]}))
        what = "anything" if model is None else f"a request for '{model}'"
        other = f" (it has for {known})" if known else ""
        raise NothingSeen(
            f"{url} has not answered {what} yet{other}: send it traffic, or measure with "
            "'sluicegate bench'"
        )
    return max(pairs, key=lambda pair: (pairs[pair].duration.count, pair))


def _choose_runner(
    readings: tuple[Reading, ...], runner: str | None, url: str
) -> tuple[str | None, bool]:
    """The runner to look at, and whether there are others."""
    known = sorted(readings[-1].in_flight)
    if runner is not None and runner not in known:
        raise NothingSeen(f"{url} has no runner '{runner}'; it has {', '.join(known) or 'none'}")
    if runner is not None:
        return runner, len(known) > 1
    if not known:
        return None, False
    busiest = max(known, key=lambda name: sum(_busy(reading, name) for reading in readings))
    return busiest, len(known) > 1


def _kind(backend: str) -> BackendKind:
    return next((kind for kind in _KINDS if kind == backend), "openai")


def _card(models: tuple[Mapping[str, Any], ...], model: str) -> Mapping[str, Any]:
    return next((card for card in models if card.get("id") == model), {})


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
