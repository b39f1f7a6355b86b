"""Places in line for callers that were refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.pacing import MAX_RETRY_AFTER_S, Pacer, ServiceTime

seconds = st.floats(min_value=0.0, max_value=1e6, allow_nan=False)


def test_the_first_place_is_behind_the_work_that_waits_already() -> None:
    assert Pacer().book(0.0, backlog_s=10.0, interval_s=2.0) == 12.0


def test_each_refusal_gets_a_place_of_its_own() -> None:
    pacer = Pacer()
    waits = [pacer.book(5.0, backlog_s=0.0, interval_s=3.0) for _ in range(4)]
    assert waits == [3.0, 6.0, 9.0, 12.0]


def test_places_that_time_has_passed_are_not_counted_any_more() -> None:
    pacer = Pacer()
    for _ in range(5):
        pacer.book(0.0, backlog_s=0.0, interval_s=4.0)
    assert pacer.book(100.0, backlog_s=0.0, interval_s=4.0) == 4.0


def test_a_burst_beyond_a_minute_does_not_push_later_callers_further_away() -> None:
    pacer = Pacer()
    for _ in range(1000):
        pacer.book(0.0, backlog_s=0.0, interval_s=1.0)
    assert pacer.book(30.0, backlog_s=0.0, interval_s=1.0) == pytest.approx(31.0)


@given(st.lists(st.tuples(seconds, seconds, seconds), min_size=1, max_size=30))
def test_the_wait_is_always_between_a_second_and_a_minute(
    calls: list[tuple[float, float, float]],
) -> None:
    pacer = Pacer()
    now = 0.0
    for passed_s, backlog_s, interval_s in calls:
        now += passed_s
        wait_s = pacer.book(now, backlog_s=backlog_s, interval_s=interval_s)
        assert 1.0 <= wait_s <= MAX_RETRY_AFTER_S


def test_the_first_observation_replaces_the_guess() -> None:
    service = ServiceTime(initial_s=2.0)
    service.observe(10.0)
    assert service.mean_s == 10.0


def test_later_observations_move_the_mean_by_an_eighth() -> None:
    service = ServiceTime()
    service.observe(10.0)
    service.observe(18.0)
    assert service.mean_s == 11.0
