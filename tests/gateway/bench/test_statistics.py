"""Quantiles, fairness and spread: always of measured values, never divided by nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.statistics import distribution, jain, ratio, spread

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


@given(values)
def test_every_quantile_is_a_measured_value_and_they_are_in_order(measured: list[float]) -> None:
    found = distribution(measured)
    assert found is not None
    quantiles = (found.min, found.p50, found.p90, found.p99, found.max)
    assert set(quantiles) <= set(measured)
    assert list(quantiles) == sorted(quantiles)
    assert found.count == len(measured)


def test_the_p99_of_a_hundred_values_is_not_the_largest() -> None:
    found = distribution(range(1, 101))
    assert found is not None
    assert (found.p50, found.p90, found.p99, found.max) == (50, 90, 99, 100)


def test_no_values_have_no_distribution() -> None:
    assert distribution([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60))
def test_fairness_lies_between_one_user_alone_and_all_alike(shares: list[float]) -> None:
    found = jain(shares)
    assert found is None or 1 / len(shares) - 1e-9 <= found <= 1 + 1e-9


@pytest.mark.parametrize(
    ("shares", "fairness"),
    [([5, 5, 5], 1.0), ([9, 0, 0], 1 / 3), ([0, 0], None), ([7], None), ([], None)],
)
def test_fairness_of_shares(shares: list[float], fairness: float | None) -> None:
    assert jain(shares) == (None if fairness is None else pytest.approx(fairness))


@pytest.mark.parametrize(
    ("repeats", "apart"), [([12, 8], 0.4), ([3], None), ([], None), ([0, 0], None)]
)
def test_spread_is_relative_to_the_mean(repeats: list[float], apart: float | None) -> None:
    assert spread(repeats) == (None if apart is None else pytest.approx(apart))


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=20))
def test_spread_is_that_of_a_typical_pair(repeats: list[float]) -> None:
    pairs = [(one - other) ** 2 for n, one in enumerate(repeats) for other in repeats[n + 1 :]]
    mean = sum(repeats) / len(repeats)
    apart = (sum(pairs) / len(pairs)) ** 0.5 / mean
    assert spread(repeats) == pytest.approx(apart, rel=1e-6, abs=1e-9)


def test_a_ratio_to_nothing_is_unknown() -> None:
    assert ratio(3, 0) is None
    assert ratio(3, 2) == 1.5
