"""The store's script decides as the Python arithmetic does, number for number."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.limits.bucket import Bucket, Kind, packed
from gateway.limits.local import LocalBuckets
from gateway.store import Library, Script, Store
from tests.gateway.limits.stand import START_US, library_with_test_clock

pytestmark = pytest.mark.anyio

SET_CLOCK = Script(
    "set_clock", "return redis.call('SET', KEYS[1] .. ':now', cmsgpack.unpack(ARGV[1]))"
)
RESERVE, SETTLE, TOUCH = "reserve", "settle_limits", "touch_limits"
SECOND, DAY = 1_000_000, 86_400_000_000
examples = itertools.count()

limits = st.sampled_from([1, 2, 3, 7, 60, 1000, 599_999, 100_000_007])
kinds = st.sampled_from(list(Kind))
bucket_lists = st.lists(
    st.builds(
        Bucket,
        kind=kinds,
        limit=limits,
        owner=st.just("key"),
        name=st.just("k"),
        id=st.just(""),
        enforced=st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=6,
)
tokens = st.one_of(st.integers(0, 20), st.integers(0, 3000), st.integers(0, 10**9))
steps = st.one_of(
    st.tuples(st.just("reserve"), tokens),
    st.tuples(st.just("reserve"), tokens),
    st.tuples(st.just("settle"), st.integers(0, 30), st.integers(0, 1), tokens),
    st.tuples(st.just("touch"), st.integers(0, 30)),
    st.tuples(
        st.just("advance"),
        st.one_of(
            st.integers(0, 20 * SECOND),
            st.sampled_from([1, 999, 60 * SECOND, DAY // 2, DAY - 1, DAY, 2 * DAY]),
            st.integers(-DAY, 0),
        ),
    ),
)


class Both:
    """One sequence of calls, for the script and for the model of it."""

    def __init__(self, store: Store, library: Library, buckets: list[Bucket]) -> None:
        self.store, self.library = store, library
        self.prefix = b"{rl:%d}" % next(examples)
        self.now = START_US
        named = [_with_id(bucket, f"{n:x}") for n, bucket in enumerate(buckets)]
        self.buckets = tuple(named)
        self.packed = packed(self.buckets)
        self.model = LocalBuckets()
        self.reserved: list[tuple[str, int, bool]] = []
        self.calls: list[asyncio.Future[Any]] = []
        self.expected: list[list[int] | int] = []
        self.advance(0)

    def advance(self, us: int) -> None:
        self.now += us
        self.store.call(SET_CLOCK, self.prefix, str(self.now))

    def reserve(self, tokens: int) -> None:
        lease = f"r{len(self.reserved)}"
        reply = self.model.reserve(self.now, lease, tokens, self.buckets)
        self._call((RESERVE, lease, tokens, self.packed), reply)
        self.reserved.append((lease, tokens, reply[0] == 0))

    def settle(self, number: int, back: int, actual: int) -> None:
        if not self.reserved:
            return
        lease, reserved, _ = self.reserved[number % len(self.reserved)]
        actual = 0 if back else actual
        self.model.correct(self.now, self.buckets, back=back, reserved=reserved, actual=actual)
        self.model.end(lease, self.buckets)
        self._call((SETTLE, lease, back, reserved, actual, self.packed), 0)

    def touch(self, number: int) -> None:
        held = [bucket for bucket in self.buckets if bucket.kind is Kind.CONCURRENT]
        for bucket in held:
            leases = [f"r{number}", f"r{number + 1}"]
            self.model.touch(self.now, bucket.id, leases)
            self._call((TOUCH, bucket.id, *leases), 0)

    def _call(self, arguments: Any, expected: list[int] | int) -> None:
        self.calls.append(self.store.call(self.library, self.prefix, arguments))
        self.expected.append(expected)


def _with_id(bucket: Bucket, id: str) -> Bucket:
    return Bucket(bucket.kind, bucket.limit, bucket.owner, bucket.name, id, bucket.enforced)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(buckets=bucket_lists, trace=st.lists(steps, min_size=20, max_size=80))
async def test_the_script_and_the_arithmetic_agree_on_every_number(
    store: Store, buckets: list[Bucket], trace: list[tuple[Any, ...]]
) -> None:
    both = Both(store, library_with_test_clock(), buckets)
    for step, *arguments in trace:
        getattr(both, step)(*arguments)
    assert await asyncio.gather(*both.calls) == both.expected
