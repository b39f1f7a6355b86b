"""The small parts: estimates, places in line, bucket ids, held leases."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import estimate_tokens
from gateway.limits.bucket import Bucket, Kind, buckets_of
from gateway.limits.held import AT_ONCE, HeldLeases
from gateway.limits.local import MOST_BUCKETS, LocalBuckets
from gateway.limits.plan import MOST_PLANS, Plans
from gateway.limits.recent import Recent
from gateway.principal import NO_LIMITS, Limits, Principal
from tests.gateway.limits.stand import START_US, a_principal

CONCURRENT = Bucket(Kind.CONCURRENT, 2, "key", "k", "c", True)


@pytest.mark.parametrize(
    ("body_bytes", "max_tokens", "tokens"),
    [(0, 0, 1), (400, None, 356), (400, 16, 116), (400, 100_000, 356)],
)
def test_tokens_are_estimated_from_the_length_and_a_usual_answer(
    body_bytes: int, max_tokens: int | None, tokens: int
) -> None:
    assert estimate_tokens(body_bytes, max_tokens) == tokens


def test_refused_callers_are_given_places_one_behind_the_other() -> None:
    recent = Recent()
    waits = [recent.book(100.0, wait_s=0.5, interval_s=2.0) for _ in range(4)]
    assert waits == pytest.approx([0.5, 2.5, 4.5, 6.5])
    assert recent.book(200.0, wait_s=0.5, interval_s=2.0) == pytest.approx(0.5)


def test_no_place_is_further_away_than_a_minute() -> None:
    recent = Recent()
    waits = [recent.book(100.0, wait_s=1.0, interval_s=7.0) for _ in range(20)]
    assert waits[-1] == 60.0
    assert waits == sorted(waits)


def test_a_limit_is_logged_once_in_ten_seconds() -> None:
    recent = Recent()
    assert [recent.may_log(now) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]


@given(st.text(), st.text(), st.text())
def test_no_text_of_a_caller_gets_into_the_id_of_a_bucket(
    key_id: str, tenant: str, model: str
) -> None:
    limits = Limits(requests_per_minute=1, tokens_per_day=2, concurrent=3)
    who = Principal("name", tenant, key_id=key_id, limits=limits, tenant_limits=limits)
    buckets = buckets_of(who, model, limits)
    assert len({bucket.id for bucket in buckets}) == len(buckets) == 9
    assert all(re.fullmatch("[0-9a-f]{16}", bucket.id) for bucket in buckets)


def test_half_a_surrogate_in_a_name_breaks_nothing() -> None:
    assert buckets_of(a_principal(), "\ud800", Limits(concurrent=1))


def test_two_keys_of_one_name_have_buckets_of_their_own() -> None:
    first, second = (
        buckets_of(a_principal(Limits(concurrent=1), key_id=id), "m", NO_LIMITS)
        for id in ("k1", "k2")
    )
    assert first[0].name == second[0].name == "alice"
    assert first[0].id != second[0].id


def test_a_plan_is_made_once_and_again_when_a_limit_changes() -> None:
    plans, limits = Plans(), Limits(requests_per_minute=5)
    plan = plans.get(a_principal(limits), "m", NO_LIMITS)
    assert plans.get(a_principal(limits), "m", NO_LIMITS) is plan
    changed = plans.get(a_principal(Limits(requests_per_minute=6)), "m", NO_LIMITS)
    assert changed.buckets[0].limit == 6
    assert changed.buckets[0].id == plan.buckets[0].id
    assert changed.recents == plan.recents


def test_any_number_of_callers_is_remembered_in_bounded_memory() -> None:
    plans, limits = Plans(), Limits(requests_per_minute=5)
    for number in range(MOST_PLANS + 50):
        plans.get(a_principal(limits, tenant=f"t{number}", key_id=f"k{number}"), "m", NO_LIMITS)
    assert len(plans._plans) == len(plans._recents) == MOST_PLANS


def test_any_number_of_buckets_is_counted_locally_in_bounded_memory() -> None:
    local = LocalBuckets()
    for number in range(MOST_BUCKETS + 2000):
        kind = list(Kind)[number % 5]
        local.reserve(START_US, "r", 1, [Bucket(kind, 5, "client", "a", f"{number}", True)])
        local.end("r", [Bucket(kind, 5, "client", "a", f"{number}", True)])
    assert len(local._tats) + len(local._days) + len(local._leases) <= MOST_BUCKETS + 1


def test_a_process_grants_its_share_of_a_limit_and_at_least_one() -> None:
    local = LocalBuckets()
    local.share = 3
    for limit, granted in ((9, 3), (2, 1)):
        bucket = Bucket(Kind.REQUESTS_PER_MINUTE, limit, "key", "k", f"{limit}", True)
        denied = [local.reserve(START_US, "", 1, [bucket])[0] for _ in range(9)]
        assert denied.count(0) == granted


def test_leases_are_touched_in_bounded_portions_until_they_are_dropped() -> None:
    held = HeldLeases()
    names = [held.name() for _ in range(AT_ONCE + 1)]
    assert len(set(names)) == len(names)
    for name in names:
        held.add(name, (CONCURRENT,))
    portions = [leases for _, leases in held.chunks()]
    assert [len(portion) for portion in portions] == [AT_ONCE, 1]
    assert sorted(itertools.chain(*portions)) == sorted(names)
    for name in names:
        held.drop(name, (CONCURRENT,))
        held.drop(name, (CONCURRENT,))
    assert list(held.chunks()) == []
