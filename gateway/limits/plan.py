"""All that is fixed of the requests of one caller for one model, made once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec

from gateway.limits.bucket import Bucket, Kind, buckets_of, packed
from gateway.limits.headers import Headers
from gateway.limits.recent import Recent
from gateway.principal import Limits, Principal

K = TypeVar("K")
V = TypeVar("V")

MOST_PLANS = 10_000
"""Callers times models that are remembered; the one that was made first goes first."""


class Block:
    """A refusal that is certain to be repeated until `until`, for as many tokens or more."""

    __slots__ = ("free_at", "headers", "place", "tokens", "until")

    def __init__(
        self, place: int, *, until: float, free_at: float, tokens: int, headers: Headers
    ) -> None:
        self.place = place
        self.until = until
        self.free_at = free_at
        self.tokens = tokens
        self.headers = headers


class Plan:
    """The buckets that a request takes from, also in the form in which the store reads them."""

    __slots__ = ("block", "buckets", "corrected", "every", "held", "holding", "recents")

    def __init__(self, buckets: tuple[Bucket, ...], recents: tuple[Recent, ...]) -> None:
        self.buckets = buckets
        self.recents = recents
        self.holding = tuple(bucket for bucket in buckets if bucket.kind is Kind.CONCURRENT)
        corrected = tuple(b for b in buckets if b.kind.of_tokens or b.kind is Kind.CONCURRENT)
        self.every: msgspec.Raw = packed(buckets)
        self.corrected: msgspec.Raw | None = packed(corrected) if corrected else None
        """Those with anything to correct at the end of a request that was answered."""
        self.held: msgspec.Raw | None = packed(self.holding) if self.holding else None
        """Those that only count what runs."""
        self.block: Block | None = None

    def observe_held(self, held_s: float) -> None:
        """A request ran for `held_s`."""
        for bucket, recent in zip(self.buckets, self.recents, strict=True):
            if bucket.kind is Kind.CONCURRENT:
                recent.observe_held(held_s)

    def without(self, places: Collection[int]) -> Plan:
        """The same without the buckets at some places, which count from 1."""
        kept = [n for n in range(len(self.buckets)) if n + 1 not in places]
        return Plan(tuple(self.buckets[n] for n in kept), tuple(self.recents[n] for n in kept))


class Plans:
    """The plans of this process, bounded in number."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str, str], tuple[Limits, Limits, Limits, Plan]] = {}
        self._recents: dict[str, Recent] = {}

    def get(self, principal: Principal, model: str, model_limits: Limits) -> Plan:
        """The plan for a caller and a model; made anew when any of their limits has changed."""
        key = (principal.key_id, principal.tenant, model)
        found = self._plans.get(key)
        if (
            found is not None
            and found[0] is principal.limits
            and found[1] is principal.tenant_limits
            and found[2] is model_limits
        ):
            return found[3]
        plan = self._made(principal, model, model_limits)
        _make_room(self._plans)
        self._plans[key] = (principal.limits, principal.tenant_limits, model_limits, plan)
        return plan

    def _made(self, principal: Principal, model: str, model_limits: Limits) -> Plan:
        buckets = buckets_of(principal, model, model_limits)
        _make_room(self._recents)
        recents = tuple(self._recents.setdefault(bucket.id, Recent()) for bucket in buckets)
        return Plan(buckets, recents)


def _make_room(kept: dict[K, V]) -> None:
    while len(kept) >= MOST_PLANS:
        del kept[next(iter(kept))]
