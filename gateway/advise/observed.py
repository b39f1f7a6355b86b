"""Facts from what a running gateway told of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any, get_args

from backends.base import BackendKind
from gateway.advise.facts import Engine, Facts, Step
from gateway.advise.hardware import Hardware
from gateway.advise.observation import NothingSeen, Observation, choose_pair, choose_runner
from gateway.advise.scrape import Pair, PairReading, Reading
from gateway.advise.use import Use, uses_of_fields

_ENOUGH = 30
"""Answers within the time of looking that make older ones superfluous."""
_KINDS: tuple[BackendKind, ...] = get_args(BackendKind)


def facts_from(
    observation: Observation,
    *,
    model: str | None = None,
    runner: str | None = None,
    hardware: Hardware | None = None,
    uses: frozenset[Use] = frozenset(),
) -> Facts:
    """The facts of one model. `model` and `runner` choose; by default the model with most to do
    while it was looked at, and of its runners the one that had most of its requests.

    Raises `NothingSeen` when they do not exist, have answered nothing, or have nothing to do with
    each other, and when nothing tells which of several runners the model is on.
    """
    first, last = observation.readings[0], observation.readings[-1]
    pair = choose_pair(observation, model, runner)
    recent = last.pairs[pair].since(first.pairs.get(pair))
    lately = recent.answered >= _ENOUGH
    reading = recent if lately else last.pairs[pair]
    name = runner or choose_runner(observation, pair, reading)
    slots = None if name is None else last.slots.get(name)
    step = _step(observation, pair, reading, name, lately=lately, slots=slots)
    context_length = _whole(_card(observation.models, pair[0]).get("context_length"))
    doubts = [] if name is None else _doubts_about(observation, pair, name, lately=lately)
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


def _doubts_about(observation: Observation, pair: Pair, runner: str, *, lately: bool) -> list[str]:
    """Why what was seen of the runner may not be what was seen of the model."""
    first, last = observation.readings[0], observation.readings[-1]
    seen = {
        each: reading.since(first.pairs.get(each)) if lately else reading
        for each, reading in last.pairs.items()
    }
    asked = {name for name, count in seen[pair].by_runner.items() if count > 0}
    sharing = sorted(asked | {runner})
    doubts = []
    if not asked and len(last.in_flight) > 1:
        doubts.append(f"the gateway does not tell whether {runner} serves {pair[0]}")
    if len(sharing) > 1:
        doubts.append(
            f"{', '.join(sharing)} share its requests: times are those of all, slots and people "
            f"at once those of {runner} (--runner chooses another)"
        )
    others = sorted(
        {each[0] for each in seen if each != pair and seen[each].by_runner.get(runner, 0.0) > 0}
    )
    if others:
        doubts.append(
            f"{runner} answered for {', '.join(others)} as well: people at once are those of all "
            "its models"
        )
    return doubts


def _kind(backend: str) -> BackendKind:
    return next((kind for kind in _KINDS if kind == backend), "openai")


def _card(models: tuple[Mapping[str, Any], ...], model: str) -> Mapping[str, Any]:
    return next((card for card in models if card.get("id") == model), {})


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
