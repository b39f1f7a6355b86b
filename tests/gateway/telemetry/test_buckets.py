"""A histogram's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.buckets import DURATION_S, FIRST_TOKEN_S, TOKEN_GAP_S, WAIT_S, Buckets


@pytest.mark.parametrize("bounds", [DURATION_S, FIRST_TOKEN_S, TOKEN_GAP_S, WAIT_S])
def test_bounds_rise(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_a_value_on_a_bound_belongs_below_it() -> None:
    buckets = Buckets((1.0, 2.0))
    for value in (0.0, 1.0, 1.5, 2.0, 2.5, 1e9):
        buckets.observe(value)
    assert list(buckets.cumulative()) == [("1.0", 2.0), ("2.0", 4.0), ("+Inf", 6.0)]
    assert buckets.total == pytest.approx(7.0 + 1e9)


@given(st.lists(st.floats(min_value=0, max_value=1e4)))
def test_every_bucket_counts_the_values_up_to_its_bound(values: list[float]) -> None:
    buckets = Buckets(WAIT_S)
    for value in values:
        buckets.observe(value)
    for bound, count in buckets.cumulative():
        assert count == sum(value <= float(bound) for value in values)
    assert buckets.total == pytest.approx(sum(values))
