"""Limiters on one store with one clock, which a test moves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gateway.errors import RateLimited
from gateway.limits import Limiter, Reservation
from gateway.limits.shared import PREFIX, limits_text
from gateway.principal import NO_LIMITS, Limits, Principal
from gateway.store import Library, Script, Store

HERE = Path(__file__).parent
PING = Script("ping", "return 0")
START_US = 1_900_000_000_000_000
"""Some moment, 40 % into a day."""


def library_with_test_clock() -> Library:
    return Library("limits", [limits_text()], clock=(HERE / "clock.lua").read_text("utf-8"))


def a_principal(limits: Limits = NO_LIMITS, *, tenant: str = "team", **more: Any) -> Principal:
    named = {"name": "alice", "key_id": "k1", **more}
    return Principal(tenant=tenant, limits=limits, **named)


class Stand:
    """One store, one clock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_us = START_US
        self.library = library_with_test_clock()

    @classmethod
    async def of(cls, store: Store) -> Stand:
        stand = cls(store)
        await stand.advance(0.0)
        return stand

    def clock(self) -> float:
        return self.now_us / 1e6

    async def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)
        await self.store.redis.set(PREFIX + b":now", self.now_us)

    async def settled(self) -> None:
        """Wait until the calls so far have been answered, and those that followed from them."""
        for _ in range(2):
            await self.store.call(PING, b"{rl:ping}", 0)
            await asyncio.sleep(0)

    def limiter(self, **more: Any) -> Limiter:
        return Limiter(self.store, clock=self.clock, library=self.library, **more)


async def taken(
    limiter: Limiter,
    who: Principal,
    *,
    tokens: int = 1,
    model: str = "m",
    model_limits: Limits = NO_LIMITS,
) -> Reservation:
    return await limiter.reserve(who, model, model_limits, tokens=tokens)


async def refused(
    limiter: Limiter,
    who: Principal,
    *,
    tokens: int = 1,
    model: str = "m",
    model_limits: Limits = NO_LIMITS,
) -> RateLimited:
    try:
        await limiter.reserve(who, model, model_limits, tokens=tokens)
    except RateLimited as error:
        return error
    raise AssertionError("not refused")
