"""Limits that are tried before they bite."""

from __future__ import annotations

import logging

import pytest

from gateway.limits.bucket import Bucket
from gateway.principal import Limits
from tests.gateway.limits.stand import Stand, a_principal, refused, taken

pytestmark = pytest.mark.anyio

TRIED = Limits(requests_per_minute=2, tokens_per_minute=50, concurrent=2, log_only=True)


async def test_a_limit_that_is_only_logged_counts_what_it_would_refuse_and_refuses_nothing(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    counted: list[Bucket] = []
    limiter, who = stand.limiter(would_refuse=counted.append), a_principal(TRIED)
    with caplog.at_level(logging.INFO, logger="gateway.limits"):
        running = [await taken(limiter, who, tokens=10) for _ in range(12)]
    labels = [bucket.label for bucket in counted]
    assert labels.count("key.requests_per_minute") == 10
    assert labels.count("key.concurrent") == 10
    assert labels.count("key.tokens_per_minute") == 7
    assert len(caplog.messages) == 3
    assert "key 'alice' is over requests_per_minute: 2, which is only logged" in caplog.messages
    for reservation in running:
        reservation.settle(10)
    await stand.advance(10.0)
    with caplog.at_level(logging.INFO, logger="gateway.limits"):
        await taken(limiter, who, tokens=50)
    assert len(caplog.messages) == 5


async def test_what_would_have_been_refused_is_not_charged_where_it_would_have_been(
    stand: Stand,
) -> None:
    counted: list[Bucket] = []
    limiter = stand.limiter(would_refuse=counted.append)
    who = a_principal(Limits(tokens_per_minute=60, log_only=True))
    first = await taken(limiter, who, tokens=50)
    over = await taken(limiter, who, tokens=50)
    over.settle(1000)
    assert len(counted) == 1
    await taken(limiter, who, tokens=10)
    assert len(counted) == 1
    first.refund()
    await taken(limiter, who, tokens=50)
    assert len(counted) == 1


async def test_callers_are_told_nothing_of_a_limit_that_is_only_logged(stand: Stand) -> None:
    limiter = stand.limiter()
    who = a_principal(TRIED, tenant_limits=Limits(requests_per_minute=9))
    headers = dict((await taken(limiter, who)).headers)
    assert headers[b"x-ratelimit-limit-requests"] == b"9"
    assert b"x-ratelimit-limit-tokens" not in headers


async def test_a_limit_that_bites_still_bites_beside_one_that_does_not(stand: Stand) -> None:
    limiter = stand.limiter()
    who = a_principal(TRIED, tenant_limits=Limits(requests_per_minute=3))
    for _ in range(3):
        await taken(limiter, who)
    assert (await refused(limiter, who)).bucket == "tenant.requests_per_minute"
