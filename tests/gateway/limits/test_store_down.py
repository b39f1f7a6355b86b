"""While the store is down each replica grants its share, or nothing; and makes up for it later."""

from __future__ import annotations

import gc

import pytest

from gateway.errors import Unavailable
from gateway.principal import NO_LIMITS, Limits
from gateway.store import Store, StoreDown
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually
from tests.gateway.limits.stand import Stand, a_principal, refused, taken

pytestmark = pytest.mark.anyio


@pytest.fixture
async def down(server: EmbeddedServer, stand: Stand) -> Stand:
    """A store that has gone away."""
    await _stop(server, stand.store)
    return stand


async def _stop(server: EmbeddedServer, store: Store) -> None:
    await server.stop()
    await eventually(lambda: not store.up)


async def test_a_replica_grants_its_share_of_every_limit(down: Stand) -> None:
    limits = Limits(requests_per_minute=9, tokens_per_minute=3000, concurrent=30)
    limiter, who = down.limiter(replicas=lambda: 3), a_principal(limits)
    for left in (2, 1, 0):
        headers = dict((await taken(limiter, who, tokens=10)).headers)
        assert headers[b"x-ratelimit-remaining-requests"] == b"%d" % left
    error = await refused(limiter, who, tokens=10)
    assert error.bucket == "key.requests_per_minute"
    assert error.retry_after_s == pytest.approx(20.0)
    assert limiter.granted_locally == 3


async def test_what_is_granted_locally_is_settled_locally(down: Stand) -> None:
    limiter, who = down.limiter(), a_principal(Limits(tokens_per_minute=100, concurrent=1))
    (await taken(limiter, who, tokens=90)).settle(20)
    (await taken(limiter, who, tokens=80)).refund()
    (await taken(limiter, who, tokens=80)).close()
    await refused(limiter, who, tokens=1)


async def test_what_is_granted_locally_leaves_nothing_for_the_garbage_collector(
    down: Stand,
) -> None:
    limiter, who = down.limiter(), a_principal(Limits(tokens_per_minute=100))
    gc.collect()
    gc.disable()
    try:
        before = _failures()
        for _ in range(3):
            (await taken(limiter, who)).close()
        assert _failures() == before
    finally:
        gc.enable()


def _failures() -> int:
    return sum(isinstance(each, StoreDown) for each in gc.get_objects())


async def test_what_has_a_limit_is_refused_where_that_is_wanted(down: Stand) -> None:
    limiter = down.limiter(closed=True)
    with pytest.raises(Unavailable, match=r"limits\.when_store_down: closed") as caught:
        await taken(limiter, a_principal(Limits(requests_per_minute=5)))
    assert caught.value.status == 503
    assert caught.value.code == "store_down"
    assert caught.value.retry_after_s == 2.0
    await limiter.reserve(a_principal(), "m", NO_LIMITS, tokens=5)


async def test_requests_that_run_when_the_store_goes_away_still_count(
    server: EmbeddedServer, stand: Stand
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(concurrent=2))
    running = [await taken(limiter, who) for _ in range(2)]
    await _stop(server, stand.store)
    await refused(limiter, who)
    running[0].close()
    await taken(limiter, who)
    await refused(limiter, who)


async def test_a_settlement_is_made_up_for_when_the_store_is_back(
    server: EmbeddedServer, stand: Stand
) -> None:
    limiter = stand.limiter()
    who = a_principal(Limits(tokens_per_day=1000, concurrent=2))
    first = await taken(limiter, who, tokens=500)
    await taken(limiter, who, tokens=100)
    await _stop(server, stand.store)
    first.settle(50)
    await server.start()
    await eventually(lambda: stand.store.up)
    headers = dict((await taken(limiter, who, tokens=0)).headers)
    assert headers[b"x-ratelimit-remaining-tokens"] == b"850"
    await refused(limiter, who, tokens=0)  # the second and the third still run


async def test_requests_that_run_are_entered_again_in_a_store_that_came_back_empty(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(concurrent=2))
    running = [await taken(limiter, who) for _ in range(2)]
    await stand.store.redis.flushall()
    await stand.advance(0.0)
    limiter.touch()
    await refused(limiter, who)
    running[0].settle(5)
    await taken(limiter, who)
