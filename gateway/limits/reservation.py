"""What was taken from a request's buckets when it came, to be corrected once when it ends."""

from __future__ import annotations

from typing import Protocol

from gateway.limits.headers import Headers
from gateway.limits.plan import Plan


class Settler(Protocol):
    """Who corrects a reservation."""

    def settle(self, reservation: Reservation, *, back: int, actual: int) -> None:
        """Put `actual` tokens in place of those that were reserved, and give `back` 0 or 1
        request; end the lease. Never raises."""
        ...


class Reservation:
    """Ended by the first of `settle`, `refund` and `close`; later calls change nothing.

    None of them waits or raises. What is never ended, because its process died, stays charged as
    it was estimated, and no longer counts as running after ten seconds.
    """

    __slots__ = ("_settler", "headers", "lease", "local", "plan", "started", "tokens")

    def __init__(
        self,
        settler: Settler | None,
        plan: Plan,
        *,
        lease: str = "",
        tokens: int = 0,
        started: float = 0.0,
        headers: Headers = (),
        local: bool = False,
    ) -> None:
        self._settler = settler
        self.plan = plan
        self.lease = lease
        self.tokens = tokens
        self.started = started
        self.headers = headers
        """`x-ratelimit-…` for the answer."""
        self.local = local
        """Whether this process granted it by itself, the store being down."""

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
