"""Taking from the buckets of a key, a tenant and a model, on a real store."""

from __future__ import annotations

import pytest

from gateway.principal import Limits
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
