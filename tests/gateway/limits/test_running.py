"""Limits of requests at once: leases that end by themselves unless their process touches them."""

from __future__ import annotations

import asyncio

import pytest

from gateway.principal import Limits
from tests.gateway.limits.stand import Stand, a_principal, refused, taken

pytestmark = pytest.mark.anyio

TWO = Limits(concurrent=2)


async def test_a_request_counts_until_it_ends_however_it_ends(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(TWO)
    for end in ("settle", "refund", "close"):
        first, second = await taken(limiter, who), await taken(limiter, who)
        error = await refused(limiter, who)
        assert error.bucket == "key.concurrent"
        assert "has its limit of 2 requests at once running" in error.message
        if end == "settle":
            first.settle(7)
        else:
            getattr(first, end)()
        third = await taken(limiter, who)
        await refused(limiter, who)
        second.close()
        third.close()


async def test_the_requests_of_a_dead_replica_stop_counting_after_ten_seconds(
    stand: Stand,
) -> None:
    dead, alive, who = stand.limiter(), stand.limiter(), a_principal(TWO)
    await taken(dead, who)
    await taken(alive, who)
    await stand.advance(9.9)
    alive.touch()
    await refused(alive, who)
    await stand.advance(0.2)
    await taken(alive, who)
    await refused(alive, who)


async def test_a_request_that_is_touched_counts_for_as_long_as_it_runs(stand: Stand) -> None:
    limiter, other, who = stand.limiter(), stand.limiter(), a_principal(TWO)
    running = [await taken(limiter, who) for _ in range(2)]
    for _ in range(60):
        await stand.advance(2.0)
        limiter.touch()
    await refused(other, who)
    running[0].close()
    limiter.touch()
    await stand.advance(0.1)
    await taken(other, who)
    await refused(other, who)


async def test_a_replica_touches_what_it_holds_by_itself_and_stops_when_it_is_closed(
    stand: Stand,
) -> None:
    limiter = stand.limiter()
    limiter.start()
    await limiter.aclose()
    await limiter.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "limits"]


async def test_who_is_refused_comes_back_when_a_request_usually_has_ended(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(TWO)
    for _ in range(100):
        reservation = await taken(limiter, who)
        await stand.advance(8.0)
        reservation.close()
    for _ in range(2):
        await taken(limiter, who)
    waits = [(await refused(limiter, who)).retry_after_s for _ in range(3)]
    assert waits == pytest.approx([4.0, 8.0, 12.0], rel=0.01)


async def test_nothing_is_held_after_the_last_request(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(TWO)
    for _ in range(20):
        (await taken(limiter, who)).settle(3)
    assert list(limiter._held.chunks()) == []
    await stand.settled()
    keys = [key async for key in stand.store.redis.scan_iter(match=b"{rl:default}:*")]
    assert [key for key in keys if not key.endswith(b":now")] == []
