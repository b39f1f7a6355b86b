from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.advise.capacity import Capacity, fit
from gateway.advise.facts import Engine, Step
from tests.gateway.advise.made import engine


def test_a_runner_with_one_slot_is_found_to_have_one_without_being_told() -> None:
    capacity = fit(engine(users=(1, 5, 10, 20), shared_s=3.0))
    assert capacity is not None
    assert capacity.most == 1
    assert capacity.best_slots() == 1
    assert capacity.per_s(1) == pytest.approx(1 / 3)


def test_a_batching_runner_gives_back_both_parts_of_its_service_time() -> None:
    capacity = fit(engine("vllm", (1, 2, 4, 8), shared_s=2.0, own_s=0.1, slots=8, told=True))
    assert capacity is not None
    assert (capacity.shared_s, capacity.own_s) == pytest.approx((2.0, 0.1))
    assert capacity.most == 8
    assert capacity.error == pytest.approx(0, abs=1e-9)


def test_slots_that_bring_next_to_nothing_are_not_recommended() -> None:
    capacity = Capacity(shared_s=0.1, own_s=1.0, most=16, error=0, points=5)
    assert capacity.best_slots() == 2


def test_answers_slower_than_asked_limit_the_slots() -> None:
    capacity = Capacity(shared_s=2.0, own_s=0.1, most=16, error=0, points=5)
    assert capacity.best_slots() > 5
    assert capacity.best_slots(slowest_service_s=2.5) == 5
    assert capacity.best_slots(slowest_service_s=0.1) == 1


def test_the_sizing_rule_is_the_one_of_the_scheduler() -> None:
    capacity = Capacity(shared_s=3.0, own_s=0.0, most=1, error=0, points=3)
    assert capacity.budget_s(10, 1, think_s=0) == pytest.approx(1.5 * 10 * 3.0 / 1)
    assert capacity.users(1, budget_s=45.0, think_s=0) == 10
    assert capacity.usual_wait_s(10, 1, think_s=0) == pytest.approx(27.0)


def test_people_who_pause_leave_room_for_others() -> None:
    capacity = Capacity(shared_s=3.0, own_s=0.0, most=1, error=0, points=3)
    assert capacity.users(1, budget_s=45.0, think_s=30.0) == 20
    assert capacity.budget_s(10, 1, think_s=30.0) == 0.0
    assert capacity.usual_wait_s(10, 1, think_s=40.0) == 0.0


def test_a_burst_counts_the_retries_that_client_libraries_make() -> None:
    capacity = Capacity(shared_s=8.0, own_s=0.0, most=2, error=0, points=3)
    assert capacity.burst(2, budget_s=120.0) == 90
    assert capacity.burst(1, budget_s=120.0) == 45


def test_nothing_answered_is_no_capacity() -> None:
    silent = replace(engine(), raw=(Step(users=5, duration_s=60, completed=0, broken=12),))
    assert fit(silent) is None
    assert fit(replace(engine(), raw=())) is None
    assert fit(replace(engine(), raw=(Step(users=0, duration_s=0, completed=9),))) is None


def test_steps_through_a_gateway_count_where_the_runner_was_not_asked_directly() -> None:
    direct = engine(users=(4, 8), slots=4, shared_s=2.0, told=True)
    capacity = fit(replace(direct, raw=(), queued=direct.raw))
    assert capacity is not None
    assert capacity.per_s(4) == pytest.approx(2.0)


STEPS = st.lists(
    st.builds(
        Step,
        users=st.floats(0, 1e4),
        duration_s=st.floats(0, 1e5),
        completed=st.integers(0, 10**6),
        broken=st.integers(0, 1000),
    ),
    max_size=8,
)


@given(STEPS, st.none() | st.integers(1, 4096), st.integers(1, 10**6), st.floats(0, 1e4))
def test_whatever_was_measured_no_figure_is_without_end(
    steps: list[Step], slots: int | None, users: int, think_s: float
) -> None:
    raw = tuple(sorted(steps, key=lambda each: each.users))
    capacity = fit(Engine("e", "vllm", "m", "m", slots=slots, raw=raw))
    if capacity is None:
        return
    best = capacity.best_slots()
    assert 1 <= best <= capacity.most
    for figure in (
        capacity.service_s(best),
        capacity.per_s(best),
        capacity.error,
        capacity.budget_s(users, best, think_s),
        capacity.usual_wait_s(users, best, think_s),
    ):
        assert math.isfinite(figure)
        assert figure >= 0
    assert capacity.users(best, 60.0, think_s) >= best
