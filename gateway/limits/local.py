"""The buckets of one process, for when the store is down: what the store's script does, in memory.

It is also the model to which the script is held by the tests, decision for decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.limits import gcra
from gateway.limits.bucket import Bucket, Kind
from gateway.limits.day_window import DayWindow

LEASE = 10_000_000
"""How long a running request counts after it was last touched, in microseconds."""
SOON = 1_000_000
"""What is said of a running request, of which nobody knows when it ends."""
MOST_BUCKETS = 20_000
"""Buckets that are kept; what has the least to say goes first."""


class LocalBuckets:
    """Takes from all buckets of a request or from none. Times are whole microseconds.

    `share` is by how many each limit is divided, 1 being the whole limit.
    """

    def __init__(self) -> None:
        self.share = 1
        self._tats: dict[str, int] = {}
        self._days: dict[str, DayWindow] = {}
        self._leases: dict[str, dict[str, int]] = {}

    def reserve(self, now: int, lease: str, tokens: int, buckets: Sequence[Bucket]) -> list[int]:
        """See the reply in `limits.lua`."""
        self._forget(now)
        denied_by = longest = 0
        would = []
        for place, bucket in enumerate(buckets, 1):
            wait = self._wait(now, tokens, bucket)
            if wait <= 0:
                continue
            if not bucket.enforced:
                would.append(place)
            elif wait > longest:
                denied_by, longest = place, wait
        if not denied_by:
            for place, bucket in enumerate(buckets, 1):
                if place not in would:
                    self._take(now, lease, tokens, bucket)
        requests, of_tokens = (self._tightest(now, buckets, kinds) for kinds in _TOLD)
        return [denied_by, longest, *requests, *of_tokens, *would]

    def correct(
        self, now: int, buckets: Iterable[Bucket], *, back: int, reserved: int, actual: int
    ) -> None:
        """Put `actual` tokens in place of `reserved` ones, and give `back` 0 or 1 request."""
        for bucket in buckets:
            if bucket.kind.of_tokens:
                if actual != reserved:
                    self._correct(now, bucket, reserved, actual)
            elif back and bucket.kind is not Kind.CONCURRENT:
                self._correct(now, bucket, 1, 0)

    def end(self, lease: str, buckets: Iterable[Bucket]) -> None:
        """The request no longer runs. Nothing happens if that is known."""
        for bucket in buckets:
            leases = self._leases.get(bucket.id)
            if leases is not None:
                leases.pop(lease, None)

    def touch(self, now: int, id: str, leases: Iterable[str]) -> None:
        """These requests still run."""
        self._leases.setdefault(id, {}).update(dict.fromkeys(leases, now + LEASE))

    def _limit(self, bucket: Bucket) -> int:
        return max(1, bucket.limit // self.share)

    def _wait(self, now: int, tokens: int, bucket: Bucket) -> int:
        limit = self._limit(bucket)
        cost = min(tokens if bucket.kind.of_tokens else 1, limit)
        if bucket.kind is Kind.CONCURRENT:
            leases = self._leases.setdefault(bucket.id, {})
            for lease in [lease for lease, end in leases.items() if end <= now]:
                del leases[lease]
            return SOON if len(leases) >= limit else 0
        if bucket.kind in _OF_DAY:
            return self._day(now, bucket).wait_us(now, limit, cost)
        return gcra.wait_us(self._tat(now, bucket), gcra.cost_us(cost, limit), now)

    def _take(self, now: int, lease: str, tokens: int, bucket: Bucket) -> None:
        limit = self._limit(bucket)
        cost = min(tokens if bucket.kind.of_tokens else 1, limit)
        if bucket.kind is Kind.CONCURRENT:
            self._leases.setdefault(bucket.id, {})[lease] = now + LEASE
        elif bucket.kind in _OF_DAY:
            self._days[bucket.id] = self._day(now, bucket).taken(cost)
        else:
            self._keep(now, bucket, self._tat(now, bucket) + gcra.cost_us(cost, limit))

    def _tightest(
        self, now: int, buckets: Sequence[Bucket], kinds: frozenset[Kind]
    ) -> tuple[int, int, int]:
        best = (0, 0, 0)
        for place, bucket in enumerate(buckets, 1):
            if bucket.enforced and bucket.kind in kinds:
                limit = self._limit(bucket)
                if bucket.kind in _OF_DAY:
                    day = self._day(now, bucket)
                    rest = day.remaining(now, limit), day.reset_us(now)
                else:
                    tat = self._tat(now, bucket)
                    rest = gcra.remaining(tat, limit, now), tat - now
                if not best[0] or rest[0] < best[1]:
                    best = (place, *rest)
        return best

    def _correct(self, now: int, bucket: Bucket, reserved: int, actual: int) -> None:
        limit = self._limit(bucket)
        if bucket.kind in _OF_DAY:
            day = self._day(now, bucket)
            corrected = day.corrected(limit, reserved=reserved, actual=actual)
            if corrected != day:
                self._days[bucket.id] = corrected
        else:
            change = gcra.change_us(limit, reserved=reserved, actual=actual)
            if change:
                self._keep(now, bucket, gcra.corrected(self._tat(now, bucket), change, now))

    def _keep(self, now: int, bucket: Bucket, tat: int) -> None:
        if tat <= now:
            self._tats.pop(bucket.id, None)
        else:
            self._tats[bucket.id] = tat

    def _tat(self, now: int, bucket: Bucket) -> int:
        return gcra.current(self._tats.get(bucket.id, 0), now)

    def _day(self, now: int, bucket: Bucket) -> DayWindow:
        return self._days.get(bucket.id, DayWindow()).at(now)

    def _forget(self, now: int) -> None:
        """Drop what says no more than its absence would; should that not do, the oldest."""
        if len(self._tats) + len(self._days) + len(self._leases) <= MOST_BUCKETS:
            return
        self._tats = {id: tat for id, tat in self._tats.items() if tat > now}
        self._days = {id: day for id, day in self._days.items() if day.at(now).used(now) > 0}
        self._leases = {id: held for id, held in self._leases.items() if held}
        for kept in (self._tats, self._days):
            for id in list(kept)[: max(0, len(kept) - MOST_BUCKETS // 3)]:
                del kept[id]


_OF_DAY = frozenset({Kind.REQUESTS_PER_DAY, Kind.TOKENS_PER_DAY})
_TOLD = (
    frozenset({Kind.REQUESTS_PER_MINUTE, Kind.REQUESTS_PER_DAY}),
    frozenset({Kind.TOKENS_PER_MINUTE, Kind.TOKENS_PER_DAY}),
)
"""What clients are told of: their requests, and their tokens."""
