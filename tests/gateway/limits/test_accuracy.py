"""What three replicas let through in a minute, beside the limit."""

from __future__ import annotations

import heapq
import random

import pytest

from gateway.errors import RateLimited
from gateway.limits import Limiter, Reservation
from gateway.principal import NO_LIMITS, Limits, Principal
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.gateway.limits.stand import Stand, a_principal

pytestmark = pytest.mark.anyio

STEP_S = 0.1


class Crowd:
    """Callers who always want more, of replicas in turn; requests run for up to 3 s."""

    def __init__(self, stand: Stand, limiters: list[Limiter], who: Principal) -> None:
        self.stand, self.limiters, self.who = stand, limiters, who
        self.random = random.Random(7)
        self.running: list[tuple[float, int, int, Reservation]] = []
        self.admitted = self.tokens = 0

    async def press(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self._end_those_that_are_over()
            for limiter in self.random.sample(self.limiters, len(self.limiters)):
                while await self._try(limiter):
                    pass
            await self.stand.advance(STEP_S)

    async def _try(self, limiter: Limiter) -> bool:
        estimate = 100
        try:
            reservation = await limiter.reserve(self.who, "m", NO_LIMITS, tokens=estimate)
        except RateLimited:
            return False
        self.admitted += 1
        ends = self.stand.clock() + self.random.uniform(0, 3)
        actual = self.random.randint(20, 300)
        heapq.heappush(self.running, (ends, self.admitted, actual, reservation))
        return True

    def _end_those_that_are_over(self) -> None:
        while self.running and self.running[0][0] <= self.stand.clock():
            _, _, actual, reservation = heapq.heappop(self.running)
            reservation.settle(actual)
            self.tokens += actual


@pytest.mark.parametrize(
    "limits", [Limits(requests_per_minute=600), Limits(tokens_per_minute=60_000)], ids=str
)
async def test_three_replicas_let_through_the_limit_within_one_in_a_hundred(
    server: EmbeddedServer, stand: Stand, limits: Limits
) -> None:
    stores = [Store(server.endpoint(), deadline_s=5.0) for _ in range(3)]
    for store in stores:
        await store.open()
    limiters = [Limiter(store, clock=stand.clock, library=stand.library) for store in stores]
    crowd = Crowd(stand, limiters, a_principal(limits))
    await crowd.press(90.0)  # the burst of a full bucket is over, and the debt that it left is paid
    crowd.admitted = crowd.tokens = 0
    await crowd.press(60.0)
    if limits.requests_per_minute:
        assert 0.99 <= crowd.admitted / 600 <= 1.01
    else:
        assert 0.99 <= crowd.tokens / 60_000 <= 1.01
    for store in stores:
        await store.aclose()
