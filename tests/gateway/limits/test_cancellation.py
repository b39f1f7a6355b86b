"""Who leaves while the store is asked has taken nothing."""

from __future__ import annotations

import asyncio

import pytest

from gateway.principal import Limits
from tests.gateway.limits.stand import PING, Stand, a_principal, refused, taken

pytestmark = pytest.mark.anyio

LIMITS = Limits(requests_per_minute=5, tokens_per_minute=100, requests_per_day=50, concurrent=1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_request_cancelled_at_any_turn_gives_back_what_it_took(
    stand: Stand, turns: int
) -> None:
    limiter, who = stand.limiter(), a_principal(LIMITS)
    for _ in range(10):
        task = asyncio.create_task(taken(limiter, who, tokens=80))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stand.settled()
    headers = dict((await taken(limiter, who, tokens=80)).headers)
    assert headers[b"x-ratelimit-remaining-requests"] == b"4"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"20"


async def test_a_request_cancelled_in_the_turn_of_its_reply_gives_back_what_it_took(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(LIMITS)
    task = asyncio.create_task(taken(limiter, who, tokens=80))
    await asyncio.sleep(0)
    marker = stand.store.call(PING, b"{rl:ping}", 0)
    marker.add_done_callback(lambda _: task.cancel())
    with pytest.raises(asyncio.CancelledError):
        await task
    await stand.settled()
    assert limiter._held._held == {}
    await taken(limiter, who, tokens=80)


async def test_a_request_that_is_refused_while_it_is_cancelled_gives_nothing_back(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_minute=1))
    await taken(limiter, who)
    task = asyncio.create_task(taken(limiter, who))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await stand.settled()
    await refused(limiter, who)


async def test_a_request_cancelled_while_the_store_goes_away_leaves_nothing_behind(
    stand: Stand,
) -> None:
    limiter = stand.limiter()
    task = asyncio.create_task(taken(limiter, a_principal(LIMITS)))
    await asyncio.sleep(0)
    task.cancel()
    await stand.store.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert limiter._held._held == {}
