"""What was taken from a request's buckets when it came, to be corrected once when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gateway.limits.bucket import Bucket
from gateway.limits.headers import Headers, rate_headers, rate_lines
from gateway.limits.plan import Plan

_NO_REPLY = (0, 0, 0, 0, 0, 0, 0, 0)


class Settler(Protocol):
    """Who corrects a reservation."""

    def settle(self, reservation: Reservation, *, back: int, actual: int) -> None:
        """Put `actual` tokens in place of those that were reserved, and give `back` 0 or 1
        request; end the lease. Never raises."""
        ...


class Reservation(Struct, eq=False):
    """Ended by the first of `settle`, `refund` and `close`; later calls change nothing.

    None of them waits or raises. What is never ended, because its process died, stays charged as
    it was estimated, and no longer counts as running after ten seconds.
    """

    _settler: Settler | None
    plan: Plan
    lease: str = ""
    tokens: int = 0
    started: float = 0.0
    _buckets: Sequence[Bucket] = ()
    _reply: Sequence[int] = _NO_REPLY
    local: bool = False
    """Whether this process granted it by itself, the store being down."""

    @property
    def headers(self) -> Headers:
        """`x-ratelimit-…` for the answer."""
        return rate_headers(self._buckets, self._reply)

    @property
    def lines(self) -> str:
        """The same as lines of a response head."""
        return rate_lines(self._buckets, self._reply)

    def settle(self, tokens: int) -> None:
        """The request took `tokens`, of prompt and answer together."""
        settler, self._settler = self._settler, None
        if settler is not None:
            settler.settle(self, back=0, actual=tokens)

    def refund(self) -> None:
        """Nothing was delivered: the request and its tokens are given back."""
        settler, self._settler = self._settler, None
        if settler is not None:
            settler.settle(self, back=1, actual=0)

    def close(self) -> None:
        """What it took is not known: the estimate stays."""
        self.settle(self.tokens)


NOTHING = Reservation(None, Plan((), ()))
"""For requests that no limit applies to."""
