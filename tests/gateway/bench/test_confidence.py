"""Intervals are those of the tables, and hold the truth as often as they say."""

from __future__ import annotations

import random

import pytest

from gateway.bench.confidence import LEAST_PAIRS, interval, interval_of_ratio

CRITICAL = {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 15: 25, 20: 52, 25: 89, 30: 137}
"""Of the signed-rank test, 5 % on both sides together, as printed in any table."""


@pytest.mark.parametrize("count", CRITICAL)
def test_the_width_is_that_of_the_table(count: int) -> None:
    values = [2.0**number for number in range(count)]
    means = sorted((one + other) / 2 for n, one in enumerate(values) for other in values[n:])
    found = interval(values)
    assert (found.low, found.high) == (means[CRITICAL[count]], means[-1 - CRITICAL[count]])
    assert found.low < found.middle < found.high


@pytest.mark.parametrize("count", [LEAST_PAIRS, 8, 20])
def test_nineteen_of_twenty_intervals_hold_the_truth_wild_values_or_not(count: int) -> None:
    draw = random.Random(1)
    tries = 3000

    def drawn() -> float:
        return 5.0 + draw.gauss(0.0, 50.0 if draw.random() < 0.2 else 1.0)

    found = [interval([drawn() for _ in range(count)]) for _ in range(tries)]
    held = sum(each.low <= 5.0 <= each.high for each in found)
    assert 0.945 <= held / tries <= 0.98


def test_one_wild_pair_does_not_move_it_far() -> None:
    quiet = [0.99, 0.98, 1.0, 0.985, 0.995] * 4
    found = interval_of_ratio([*quiet[:-1], 0.4], [1.0] * 20)
    assert found is not None
    assert found.middle == pytest.approx(0.987, abs=0.003)
    assert 0.97 < found.low < found.high < 1.0


def test_what_is_as_hard_on_both_of_a_pair_drops_out() -> None:
    alone = [100.0, 50.0, 200.0, 100.0, 67.0, 100.0]
    found = interval_of_ratio([0.99 * speed for speed in alone], alone)
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((0.99, 0.99, 0.99))


def test_twice_and_half_as_fast_make_equal() -> None:
    found = interval_of_ratio([200.0, 50.0] * 4, [100.0] * 8)
    assert found is not None
    assert found.middle == pytest.approx(1.0)


def test_a_run_that_was_cut_short_is_judged_by_its_whole_pairs() -> None:
    found = interval_of_ratio([99.0] * 6, [*[100.0] * 6, 10.0])
    assert found is not None
    assert found.low == pytest.approx(0.99)


def test_few_pairs_tell_nothing() -> None:
    assert interval_of_ratio([50.0] * 5, [100.0] * 5) is None


@pytest.mark.parametrize("still", [([0.0, *[5.0] * 6], [5.0] * 7), ([5.0] * 7, [0.0, *[5.0] * 6])])
def test_what_stood_still_has_no_ratio(still: tuple[list[float], list[float]]) -> None:
    assert interval_of_ratio(*still) is None
