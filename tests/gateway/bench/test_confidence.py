"""Intervals are those of the tables, and hold the truth as often as they say."""

from __future__ import annotations

import random

import pytest

from gateway.bench.confidence import interval, interval_of_ratio

TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 7: 2.365, 11: 2.201, 30: 2.042, 200: 1.972}
"""Student's quantiles at 0.975, as printed in any table."""


@pytest.mark.parametrize("freedom", TABLE)
def test_the_width_is_that_of_the_table(freedom: int) -> None:
    count = freedom + 1
    values = [float(number) for number in range(count)]
    mean = sum(values) / count
    error = (sum((value - mean) ** 2 for value in values) / freedom / count) ** 0.5
    found = interval(values)
    assert found is not None
    assert found.mean == pytest.approx(mean)
    assert found.high - found.mean == pytest.approx(TABLE[freedom] * error, rel=2e-3)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    draw = random.Random(1)
    tries = 4000
    held = 0
    for _ in range(tries):
        found = interval([draw.gauss(5.0, 2.0) for _ in range(4)])
        assert found is not None
        held += found.low <= 5.0 <= found.high
    assert held / tries == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("values", [[], [3.0]])
def test_too_few_values_show_no_spread(values: list[float]) -> None:
    assert interval(values) is None
    assert interval_of_ratio(values, values) is None


def test_what_is_as_hard_on_both_of_a_pair_drops_out() -> None:
    found = interval_of_ratio([99.0, 49.5, 198.0], [100.0, 50.0, 200.0])
    assert found is not None
    assert (found.low, found.mean, found.high) == pytest.approx((0.99, 0.99, 0.99))


def test_twice_and_half_as_fast_make_equal() -> None:
    found = interval_of_ratio([200.0, 50.0], [100.0, 100.0])
    assert found is not None
    assert found.mean == pytest.approx(1.0)


def test_a_run_that_was_cut_short_is_judged_by_its_whole_pairs() -> None:
    found = interval_of_ratio([99.0, 98.0], [100.0, 100.0, 10.0])
    assert found is not None
    assert found.mean == pytest.approx(0.985, rel=1e-3)


@pytest.mark.parametrize("still", [([0.0, 5.0], [5.0, 5.0]), ([5.0, 5.0], [5.0, 0.0])])
def test_what_stood_still_has_no_ratio(still: tuple[list[float], list[float]]) -> None:
    assert interval_of_ratio(*still) is None
