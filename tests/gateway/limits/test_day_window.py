"""Units used in the last 24 hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.day_window import DAY, DayWindow

MIDNIGHT = 20_000 * DAY
counts = st.integers(0, 10_000)
windows = st.builds(DayWindow, st.just(20_000), counts, counts)
times = st.integers(MIDNIGHT, MIDNIGHT + DAY - 1)


def test_the_day_before_counts_by_the_share_that_is_still_within_24_hours() -> None:
    day = DayWindow(20_000, current=10, previous=100)
    assert day.used(MIDNIGHT) == 110
    assert day.used(MIDNIGHT + DAY // 4) == 85
    assert day.at(MIDNIGHT + DAY).used(MIDNIGHT + DAY) == 10
    assert day.at(MIDNIGHT + 2 * DAY) == DayWindow(20_002)


@given(windows, times, st.integers(1, 10_000), st.integers(1, 10_000))
def test_after_the_wait_it_fits_and_just_before_it_does_not(
    day: DayWindow, now: int, limit: int, wanted: int
) -> None:
    cost = min(wanted, limit)
    wait = day.wait_us(now, limit, cost)
    if wait == 0:
        assert day.used(now) + cost <= limit
        return
    then, before = now + wait, now + wait - DAY // 1_000_000
    # One part in 10⁹: the wait is computed in one division, the use in another.
    assert day.at(then).used(then) + cost <= limit * (1 + 1e-9) + 1e-6
    if before > now:
        assert day.at(before).used(before) + cost > limit


@given(windows, times, st.integers(1, 10_000))
def test_what_remains_can_be_taken_and_no_more(day: DayWindow, now: int, limit: int) -> None:
    left = day.remaining(now, limit)
    if left:
        assert day.wait_us(now, limit, left) == 0
    if left < limit:
        assert day.wait_us(now, limit, left + 1) > 0


@given(windows, times)
def test_after_the_reset_nothing_counts(day: DayWindow, now: int) -> None:
    then = now + day.reset_us(now)
    assert day.at(then).used(then) == 0


@pytest.mark.parametrize(
    ("reserved", "actual", "expected"),
    [
        (10, 4, DayWindow(20_000, 0, 99)),  # more is given back than today has
        (10, 10, DayWindow(20_000, 5, 100)),
        (10, 12, DayWindow(20_000, 7, 100)),
        (10, 10**9, DayWindow(20_000, 2000, 100)),  # debt ends at one more limit
        (10**9, 0, DayWindow(20_000, 0, 0)),
    ],
)
def test_a_correction_gives_back_to_today_first_and_ends_in_bounded_debt(
    reserved: int, actual: int, expected: DayWindow
) -> None:
    day = DayWindow(20_000, current=5, previous=100)
    assert day.corrected(1000, reserved=reserved, actual=actual) == expected


def test_a_clock_that_was_set_back_stops_at_the_beginning_of_the_day() -> None:
    day = DayWindow(20_000, current=5, previous=100)
    assert day.at(MIDNIGHT - 5 * DAY) == day
    assert day.elapsed(MIDNIGHT - 5 * DAY) == 0
