"""A bucket that holds a minute's worth and refills evenly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import gcra

NOW = 1_900_000_000_000_000
limits = st.integers(1, 600_000)
units = st.integers(0, 10_000)


@given(st.integers(1, 7_000))
def test_a_full_bucket_holds_exactly_the_limit(limit: int) -> None:
    assert gcra.MINUTE // gcra.cost_us(1, limit) == limit
    assert gcra.remaining(NOW, limit, NOW) == limit


@given(limits)
def test_a_full_bucket_of_a_fast_limit_holds_it_within_one_in_a_hundred(limit: int) -> None:
    assert limit <= gcra.MINUTE // gcra.cost_us(1, limit) <= limit * 1.01 + 1


@given(limits, st.integers(0, 2 * gcra.MINUTE))
def test_what_remains_can_be_taken_at_once_and_no_more(limit: int, behind: int) -> None:
    tat = NOW + behind
    left = gcra.remaining(tat, limit, NOW)
    if left:
        assert gcra.wait_us(tat, gcra.cost_us(left, limit), NOW) <= 0
    if left < limit:
        assert gcra.wait_us(tat, gcra.cost_us(left + 1, limit), NOW) > 0


@given(limits, units, st.integers(0, 2 * gcra.MINUTE))
def test_after_the_wait_there_is_room_and_a_microsecond_before_there_is_not(
    limit: int, wanted: int, behind: int
) -> None:
    cost = gcra.cost_us(min(wanted, limit), limit)
    wait = gcra.wait_us(NOW + behind, cost, NOW)
    if wait > 0:
        assert gcra.wait_us(NOW + behind, cost, NOW + wait) == 0
        assert gcra.wait_us(NOW + behind, cost, NOW + wait - 1) == 1


@given(limits, st.lists(st.tuples(st.integers(0, 10_000_000), units), max_size=50))
def test_no_stretch_of_time_lets_more_through_than_the_burst_and_its_refill(
    limit: int, attempts: list[tuple[int, int]]
) -> None:
    now, tat, let_through = NOW, 0, 0
    for pause, wanted in attempts:
        now += pause
        tat = gcra.current(tat, now)
        cost = gcra.cost_us(min(wanted, limit), limit)
        if gcra.wait_us(tat, cost, now) <= 0:
            tat += cost
            let_through += cost
    assert let_through <= gcra.MINUTE + (now - NOW)


@given(limits, units, units, st.integers(0, 3 * gcra.MINUTE))
def test_a_correction_never_overfills_nor_leaves_more_debt_than_a_minute(
    limit: int, reserved: int, actual: int, behind: int
) -> None:
    tat = gcra.current(NOW + behind, NOW)
    change = gcra.change_us(limit, reserved=reserved, actual=actual)
    assert NOW <= gcra.corrected(tat, change, NOW) <= NOW + 2 * gcra.MINUTE


@given(limits, units)
def test_what_is_given_back_is_what_was_taken(limit: int, wanted: int) -> None:
    tat = NOW + gcra.cost_us(min(wanted, limit), limit)
    change = gcra.change_us(limit, reserved=wanted, actual=0)
    assert gcra.corrected(tat, change, NOW) == NOW


def test_a_clock_that_was_set_back_blocks_a_bucket_for_two_minutes_at_most() -> None:
    tat = gcra.current(NOW + 3_600_000_000, NOW)
    assert gcra.wait_us(tat, gcra.cost_us(1, 60), NOW) <= gcra.MINUTE + gcra.cost_us(1, 60)
