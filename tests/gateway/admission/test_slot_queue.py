"""The queue against a model that is too slow and too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from gateway.admission.base import PolicyName
from gateway.admission.slot_queue import SlotQueue, Waiter

RUNNERS = ("a", "b", "c")
MODELS = ("small", "large")
MAX_WAITING = 6

runner_names = st.sampled_from(RUNNERS)
candidate_lists = st.lists(runner_names, min_size=1, max_size=3, unique=True).map(tuple)


@dataclass(eq=False)
class _Asked:
    """A ticket in the model's one list of everybody who waits, in the order of their coming."""

    waiter: Waiter
    granted: int = 0
    gone: bool = False


class _QueueAgainstModel(RuleBasedStateMachine):
    tickets: Bundle[_Asked] = Bundle("tickets")
    held: Bundle[str] = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.queue = SlotQueue(max_waiting=MAX_WAITING)
        self.slots = dict.fromkeys(RUNNERS, 0)
        self.in_flight = dict.fromkeys(RUNNERS, 0)
        self.line: list[_Asked] = []

    def _expect_grant(self, runner: str) -> _Asked | None:
        """Who must get the next slot of a runner, by the model; it has it from then on."""
        if self.in_flight[runner] >= self.slots[runner]:
            return None
        for asked in self.line:
            if runner in asked.waiter.candidates:
                self.line.remove(asked)
                asked.granted += 1
                self.in_flight[runner] += 1
                return asked
        return None

    def _expect_take(self, candidates: tuple[str, ...], policy: PolicyName) -> str | None:
        free = [
            name
            for name in candidates
            if self.in_flight[name] < self.slots[name]
            and not any(name in asked.waiter.candidates for asked in self.line)
        ]
        if policy == "least_loaded":
            free.sort(key=lambda name: self.in_flight[name] / self.slots[name])
        return free[0] if free else None

    @rule(
        target=held,
        candidates=candidate_lists,
        policy=st.sampled_from(["least_loaded", "ordered"]),
    )
    def take(self, candidates: tuple[str, ...], policy: PolicyName) -> Any:
        taken = self.queue.take(candidates, policy)
        assert taken == self._expect_take(candidates, policy)
        if taken is None:
            return multiple()
        self.in_flight[taken] += 1
        return taken

    @rule(
        target=tickets,
        model=st.sampled_from(MODELS),
        candidates=candidate_lists,
        most=st.integers(1, 4),
    )
    def wait(self, model: str, candidates: tuple[str, ...], most: int) -> Any:
        same = sum(asked.waiter.model == model for asked in self.line)
        room = self.queue.room(model, most)
        assert room == (len(self.line) < MAX_WAITING and same < most)
        # The gate only lets those wait who found no slot.
        if not room or self._expect_take(candidates, "ordered") is not None:
            return multiple()
        asked = _Asked(Waiter(model, candidates))
        self.queue.wait(asked.waiter)
        self.line.append(asked)
        return asked

    @rule(asked=tickets)
    def cancel(self, asked: _Asked) -> None:
        self.queue.cancel(asked.waiter)
        if asked in self.line:
            self.line.remove(asked)
            asked.gone = True

    @rule(target=held, runner=consumes(held))
    def release(self, runner: str) -> Any:
        granted = self.queue.release(runner)
        self.in_flight[runner] -= 1
        expected = self._expect_grant(runner)
        assert granted is (expected.waiter if expected else None)
        return multiple() if granted is None else runner

    @rule(target=held, runner=runner_names, slots=st.integers(0, 3))
    def set_slots(self, runner: str, slots: int) -> Any:
        granted = self.queue.set_slots(runner, slots)
        self.slots[runner] = slots
        expected: list[Waiter] = []
        while asked := self._expect_grant(runner):
            expected.append(asked.waiter)
        assert granted == expected
        assert all(waiter.runner == runner for waiter in granted)
        return multiple(*[runner] * len(granted))

    @invariant()
    def counts_are_exact(self) -> None:
        for name in RUNNERS:
            assert self.queue.in_flight(name) == self.in_flight[name]
            assert self.queue.slots(name) == self.slots[name]
            in_line = sum(name in asked.waiter.candidates for asked in self.line)
            assert self.queue.waiting(name) == in_line
        assert self.queue.waiting_total == len(self.line)

    @invariant()
    def nobody_waits_for_a_free_slot(self) -> None:
        for asked in self.line:
            for name in asked.waiter.candidates:
                assert self.in_flight[name] >= self.slots[name]

    @invariant()
    def who_waits_has_no_slot_yet(self) -> None:
        for asked in self.line:
            assert asked.granted == 0
            assert asked.waiter.runner is None

    @rule(asked=tickets)
    def ask_after(self, asked: _Asked) -> None:
        assert asked.granted <= 1
        assert not (asked.gone and asked.granted)
        assert (asked.waiter.runner is not None) == bool(asked.granted)


_QueueAgainstModel.TestCase.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None
)


class TestTheQueueDoesWhatTheModelDoes(_QueueAgainstModel.TestCase):  # type: ignore[misc, valid-type]
    """Grants, refusals and counts, under random traces."""


def _queue(**slots: int) -> SlotQueue:
    queue = SlotQueue(max_waiting=100)
    for name, count in slots.items():
        queue.set_slots(name, count)
    return queue


def _in_line(queue: SlotQueue, *candidates: str, model: str = "m") -> Waiter:
    waiter = Waiter(model, candidates)
    queue.wait(waiter)
    return waiter


def test_least_loaded_takes_the_greatest_share_of_free_slots() -> None:
    queue = _queue(big=10, small=2)
    taken = [queue.take(("small", "big"), "least_loaded") for _ in range(4)]
    assert taken == ["small", "big", "big", "big"]


def test_ordered_fills_the_first_runner_before_the_second() -> None:
    queue = _queue(first=2, second=2)
    taken = [queue.take(("first", "second"), "ordered") for _ in range(5)]
    assert taken == ["first", "first", "second", "second", None]


def test_a_newcomer_does_not_overtake_a_waiter_on_the_runner_both_want() -> None:
    queue = _queue(a=0, b=1)
    _in_line(queue, "a", "b")
    assert queue.take(("b",), "ordered") is None


def test_slots_that_are_lowered_take_nothing_away_and_grant_nothing() -> None:
    queue = _queue(a=2)
    assert queue.take(("a",), "ordered") == "a"
    assert queue.take(("a",), "ordered") == "a"
    waiter = _in_line(queue, "a")
    assert queue.set_slots("a", 1) == []
    assert queue.in_flight("a") == 2
    assert queue.release("a") is None
    assert queue.release("a") is waiter


def test_a_ticket_granted_on_one_runner_leaves_the_lines_of_the_others() -> None:
    queue = _queue(a=0, b=0)
    waiter = _in_line(queue, "a", "b")
    assert queue.set_slots("b", 1) == [waiter]
    assert queue.set_slots("a", 1) == []
    assert queue.waiting("a") == queue.waiting_total == 0


def test_cancelling_twice_counts_once() -> None:
    queue = _queue(a=0)
    first, second = _in_line(queue, "a"), _in_line(queue, "a")
    queue.cancel(first)
    queue.cancel(first)
    assert queue.waiting_total == 1
    assert queue.set_slots("a", 1) == [second]


def test_cancelling_a_granted_ticket_leaves_its_slot_alone() -> None:
    queue = _queue(a=0)
    waiter = _in_line(queue, "a")
    queue.set_slots("a", 1)
    queue.cancel(waiter)
    assert queue.in_flight("a") == 1


@pytest.mark.parametrize("most", [1, 3])
def test_a_model_may_only_fill_its_own_share_of_the_queue(most: int) -> None:
    queue = _queue(a=0)
    for _ in range(most):
        assert queue.room("m", most)
        _in_line(queue, "a")
    assert not queue.room("m", most)
    assert queue.room("another", most)


def test_a_runner_without_slots_holders_or_waiters_takes_no_memory() -> None:
    queue = _queue(a=1)
    assert queue.take(("a",), "ordered") == "a"
    waiter = _in_line(queue, "a", "never-seen")
    queue.set_slots("a", 0)
    queue.release("a")
    assert queue._lines.keys() == {"a", "never-seen"}
    queue.cancel(waiter)
    assert not queue._lines
