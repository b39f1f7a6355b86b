"""Taking from the buckets of a key, a tenant and a model, on a real store."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RateLimited
from gateway.limits import NOTHING, Limiter
from gateway.limits.shared import PREFIX
from gateway.principal import NO_LIMITS, Limits, Principal
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.gateway.limits.stand import Stand, a_principal, refused, taken

pytestmark = pytest.mark.anyio


async def test_a_full_minute_may_come_at_once_and_the_next_request_is_refused(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_minute=7))
    for left in reversed(range(7)):
        headers = dict((await taken(limiter, who)).headers)
        assert headers[b"x-ratelimit-limit-requests"] == b"7"
        assert headers[b"x-ratelimit-remaining-requests"] == b"%d" % left
    error = await refused(limiter, who)
    assert error.message == (
        "Key 'alice' has used up its limit of 7 requests a minute; try again in 8.6 s."
    )
    assert error.retry_after_s == pytest.approx(60 / 7, abs=1e-5)
    await stand.advance(error.retry_after_s or 0)
    await taken(limiter, who)
    await refused(limiter, who)


async def test_of_a_hundred_at_once_over_three_replicas_exactly_the_limit_gets_in(
    server: EmbeddedServer, stand: Stand
) -> None:
    stores = [Store(server.endpoint(), deadline_s=5.0) for _ in range(3)]
    for store in stores:
        await store.open()
    limiters = [Limiter(store, clock=stand.clock, library=stand.library) for store in stores]
    for limits in (
        Limits(requests_per_minute=37),
        Limits(tokens_per_minute=379),
        Limits(requests_per_day=37),
        Limits(tokens_per_day=379),
        Limits(concurrent=37),
    ):
        who = a_principal(limits, key_id=repr(limits))
        outcomes = await asyncio.gather(
            *(taken(limiters[n % 3], who, tokens=10) for n in range(100)), return_exceptions=True
        )
        assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 63
    for store in stores:
        await store.aclose()


async def test_a_refusal_takes_nothing_from_any_bucket(stand: Stand) -> None:
    limiter = stand.limiter()
    who = a_principal(Limits(requests_per_minute=10), tenant_limits=Limits(tokens_per_minute=100))
    model = Limits(requests_per_day=50, concurrent=5)
    await taken(limiter, who, tokens=60, model_limits=model)
    for _ in range(5):
        error = await refused(limiter, who, tokens=60, model_limits=model)
        assert error.bucket == "tenant.tokens_per_minute"
    headers = dict((await taken(limiter, who, tokens=30, model_limits=model)).headers)
    assert headers[b"x-ratelimit-remaining-requests"] == b"8"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"10"
    assert await stand.store.redis.zcard(await _the_key(stand, "zset")) == 2


async def test_of_several_full_buckets_the_one_with_the_longest_wait_is_named(
    stand: Stand,
) -> None:
    limiter = stand.limiter()
    who = a_principal(Limits(requests_per_minute=60), tenant_limits=Limits(requests_per_minute=1))
    await taken(limiter, who)
    error = await refused(limiter, who, model_limits=Limits(requests_per_minute=600))
    assert error.bucket == "tenant.requests_per_minute"
    assert error.message.startswith("Tenant 'team' has used up its limit of 1 request a minute")
    assert error.retry_after_s == pytest.approx(60)


async def test_a_models_bucket_is_shared_by_all_tenants_and_a_tenants_by_all_its_keys(
    stand: Stand,
) -> None:
    limiter, model = stand.limiter(), Limits(requests_per_minute=3)
    await taken(limiter, a_principal(tenant="a", key_id="a1"), model_limits=model)
    await taken(limiter, a_principal(tenant="b", key_id="b1"), model_limits=model)
    team = Limits(requests_per_minute=1)
    await taken(limiter, a_principal(tenant="c", key_id="c1", tenant_limits=team), model="other")
    other_key = a_principal(tenant="c", key_id="c2", tenant_limits=team)
    assert (await refused(limiter, other_key, model="other")).bucket.startswith("tenant.")
    await taken(limiter, a_principal(tenant="d", key_id="d1"), model_limits=model)
    error = await refused(limiter, a_principal(tenant="e", key_id="e1"), model_limits=model)
    assert error.bucket == "model.requests_per_minute"


async def test_without_a_key_each_client_address_has_its_own_buckets(stand: Stand) -> None:
    limiter, limits = stand.limiter(), Limits(requests_per_minute=1)
    first, second = (a_principal(limits, tenant=ip, key_id="") for ip in ("10.0.0.7", "10.0.0.8"))
    await taken(limiter, first)
    await taken(limiter, second)
    assert (await refused(limiter, first)).message.startswith("Client '10.0.0.7' has used up")


async def test_a_settlement_puts_the_true_tokens_in_place_of_the_estimate(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(tokens_per_minute=600))
    (await taken(limiter, who, tokens=300)).settle(100)
    assert await _left(limiter, who, b"tokens") == 600 - 100
    (await taken(limiter, who, tokens=300)).settle(450)
    assert await _left(limiter, who, b"tokens") == 600 - 100 - 450


async def test_use_beyond_the_limit_is_owed_but_no_more_than_a_minute(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(tokens_per_minute=600))
    (await taken(limiter, who, tokens=10)).settle(50_000)
    error = await refused(limiter, who, tokens=10)
    assert error.retry_after_s == 60.0
    assert dict(error.headers)[b"x-ratelimit-remaining-tokens"] == b"0"
    assert dict(error.headers)[b"x-ratelimit-reset-tokens"] == b"2m0s"
    await stand.advance(61.0)
    await taken(limiter, who, tokens=10)


async def test_an_estimate_above_the_limit_waits_for_a_full_bucket_and_not_for_ever(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(tokens_per_minute=600, tokens_per_day=900))
    reservation = await taken(limiter, who, tokens=1_000_000)
    assert dict(reservation.headers)[b"x-ratelimit-remaining-tokens"] == b"0"
    reservation.close()
    assert (await refused(limiter, who, tokens=1)).retry_after_s is None


async def test_a_refund_gives_back_the_request_and_its_tokens(stand: Stand) -> None:
    limits = Limits(5, 50, 500, 5000, concurrent=1)
    limiter, who = stand.limiter(), a_principal(limits)
    for _ in range(20):
        (await taken(limiter, who, tokens=40)).refund()
    headers = dict((await taken(limiter, who, tokens=1)).headers)
    assert headers[b"x-ratelimit-remaining-requests"] == b"4"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"49"


async def test_a_reservation_is_ended_once_whatever_is_called_later(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_minute=9, tokens_per_minute=90))
    reservation = await taken(limiter, who, tokens=50)
    reservation.settle(30)
    reservation.settle(90)
    reservation.refund()
    reservation.close()
    assert await _left(limiter, who, b"tokens") == 60
    reservation = await taken(limiter, who, tokens=50)
    reservation.refund()
    reservation.refund()
    reservation.settle(20)
    assert await _left(limiter, who, b"tokens") == 60


async def test_a_request_that_nothing_limits_does_not_ask_the_store(stand: Stand) -> None:
    limiter = stand.limiter()
    await stand.store.aclose()
    attempt = limiter.reserve(a_principal(), "m", NO_LIMITS, tokens=5)
    with pytest.raises(StopIteration) as stop:
        attempt.send(None)
    assert stop.value.value is NOTHING
    NOTHING.settle(5)
    NOTHING.refund()
    assert NOTHING.headers == ()


async def test_what_is_certain_to_be_refused_again_does_not_ask_the_store_for_a_moment(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_minute=2))
    for _ in range(2):
        await taken(limiter, who)
    first = await refused(limiter, who)
    calls = await _script_calls(stand)
    for _ in range(50):
        assert (await refused(limiter, who)).headers == first.headers
    assert await _script_calls(stand) == calls
    await stand.advance(0.3)
    await refused(limiter, who)
    assert await _script_calls(stand) == calls + 1


async def test_a_smaller_request_is_not_refused_because_a_larger_one_was(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(tokens_per_minute=100))
    await taken(limiter, who, tokens=60)
    await refused(limiter, who, tokens=60)
    await taken(limiter, who, tokens=20)


async def test_what_is_given_back_is_there_at_once(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(tokens_per_minute=100))
    first = await taken(limiter, who, tokens=90)
    await refused(limiter, who, tokens=90)
    first.settle(10)
    await taken(limiter, who, tokens=90)


async def test_callers_refused_together_are_sent_to_places_one_behind_the_other(
    stand: Stand,
) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_minute=60))
    for _ in range(60):
        await taken(limiter, who)
    waits = [(await refused(limiter, who)).retry_after_s for _ in range(5)]
    assert waits == pytest.approx([1, 2, 3, 4, 5], abs=1e-4)
    for _ in range(5):
        await stand.advance(1.0)
        await taken(limiter, who)


async def test_a_day_refuses_until_enough_of_it_has_passed(stand: Stand) -> None:
    limiter, who = stand.limiter(), a_principal(Limits(requests_per_day=4))
    for _ in range(4):
        await taken(limiter, who)
    error = await refused(limiter, who)
    assert error.retry_after_s is None
    assert "4 requests in 24 hours; try again in " in error.message
    await stand.advance(86_400.0)
    await taken(limiter, who)


async def test_every_key_of_the_store_is_a_hash_and_ends_by_itself(stand: Stand) -> None:
    hostile = "*\r\n$1}{ é\0"
    limits = Limits(1, 1, 1, 1, 1)
    who = a_principal(limits, tenant=hostile, key_id=hostile, tenant_limits=limits)
    await taken(stand.limiter(), who, model=hostile, model_limits=limits)
    keys = [key async for key in stand.store.redis.scan_iter() if not key.endswith(b":now")]
    assert len(keys) == 15
    for key in keys:
        assert key.startswith(PREFIX + b":limit:")
        int(key.removeprefix(PREFIX + b":limit:"), 16)
        assert 0 < await stand.store.redis.pttl(key) <= (2 * 86_400 + 60) * 1000


async def _left(limiter: Limiter, who: Principal, of: bytes) -> int:
    """What is left, told by taking and giving back the least there is."""
    reservation = await taken(limiter, who, tokens=0)
    reservation.refund()
    return int(dict(reservation.headers)[b"x-ratelimit-remaining-" + of])


async def _the_key(stand: Stand, kind: str) -> bytes:
    (key,) = [key async for key in stand.store.redis.scan_iter(_type=kind)]
    return bytes(key)


async def _script_calls(stand: Stand) -> int:
    stats = await stand.store.redis.info("commandstats")
    return int(stats["cmdstat_fcall"]["calls"])
