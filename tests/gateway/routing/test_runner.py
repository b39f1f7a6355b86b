"""Slots and fitness of one runner, as they follow from its state."""

from __future__ import annotations

import pytest

from backends.base import ModelCard, Probe, RunnerState
from gateway.routing.runner import Runner
from tests.gateway.routing.runners import a_runner, ready, saw


class Slots:
    """Writes down every number of slots that a runner says it has."""

    def __init__(self, pinned: int | str = "auto", parallel: int | None = None) -> None:
        self.told: list[int] = []
        self.runner = Runner("r", "llamacpp", pinned=pinned, parallel=parallel, on_slots=self._note)

    def _note(self, name: str, slots: int) -> None:
        assert name == "r"
        self.told.append(slots)

    def after(self, *probes: Probe) -> int:
        for probe in probes:
            self.runner.observe(probe)
        return self.told[-1]


@pytest.mark.parametrize(
    ("pinned", "parallel", "told_by_itself", "slots", "origin"),
    [
        ("auto", None, 4, 4, "runner"),
        ("auto", None, None, 1, "default"),
        ("auto", None, 0, 1, "default"),
        ("auto", 3, 4, 4, "runner"),
        ("auto", 3, None, 3, "configured"),
        (2, None, 4, 2, "configured"),
        (2, 3, None, 2, "configured"),
    ],
)
def test_slots_are_pinned_or_told_or_what_it_was_started_with_or_a_default(
    pinned: int | str, parallel: int | None, told_by_itself: int | None, slots: int, origin: str
) -> None:
    seen = Slots(pinned, parallel)
    assert seen.after(ready("m", slots=told_by_itself)) == slots
    assert seen.runner.slots_origin == origin


@pytest.mark.parametrize(
    ("state", "slots", "candidate"),
    [
        (RunnerState.READY, 3, True),
        (RunnerState.BUSY, 3, True),
        (RunnerState.LOADING, 0, True),
        (RunnerState.ASLEEP, 3, True),
        (RunnerState.DOWN, 0, False),
    ],
)
def test_only_a_runner_that_can_answer_has_slots(
    state: RunnerState, slots: int, candidate: bool
) -> None:
    seen = Slots(3)
    assert seen.after(saw(state)) == slots
    assert seen.runner.candidate is candidate


def test_a_sleeper_that_no_request_wakes_is_no_candidate() -> None:
    seen = Slots(3)
    assert seen.after(saw(RunnerState.ASLEEP, wakes=False)) == 0
    assert not seen.runner.candidate
    assert seen.after(ready("m")) == 3
    assert seen.runner.candidate


def test_before_the_first_look_requests_may_wait_for_it() -> None:
    assert a_runner().candidate
    assert a_runner().state is RunnerState.LOADING


def test_one_failed_probe_takes_no_slots_and_forgets_no_models() -> None:
    seen = Slots()
    assert seen.after(ready("m", slots=4), saw(RunnerState.DOWN)) == 4
    assert [card.id for card in seen.runner.models] == ["m"]


def test_a_runner_that_is_down_keeps_its_models_for_when_it_comes_back() -> None:
    seen = Slots()
    assert seen.after(ready("m", slots=4), *[saw(RunnerState.DOWN)] * 2) == 0
    assert [card.id for card in seen.runner.models] == ["m"]


def test_what_requests_meet_changes_slots_at_once() -> None:
    seen = Slots(2)
    seen.after(ready("m"))
    seen.runner.loading("loading")
    seen.runner.observe(ready("m"))
    seen.runner.unreachable("refused")
    assert seen.told == [2, 0, 2, 0]


def test_more_slots_told_by_a_later_probe_are_passed_on() -> None:
    seen = Slots()
    seen.after(ready("m", slots=1), ready("m", slots=8))
    assert seen.told == [1, 8]


def test_the_context_length_is_that_of_the_model_or_of_the_only_one() -> None:
    runner = a_runner()
    assert runner.context_length("m") is None
    runner.observe(ready(ModelCard("only", context_length=4096)))
    assert runner.context_length("any name") == 4096
    runner.observe(
        ready(ModelCard("one", ("uno",), context_length=1), ModelCard("two", context_length=2))
    )
    assert runner.context_length("uno") == 1
    assert runner.context_length("two") == 2
    assert runner.context_length("three") is None
