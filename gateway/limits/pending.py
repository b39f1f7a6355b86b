"""A reservation that the store has been asked for and may not have answered yet.

It lets a request ask for its slot in the same breath: both commands leave in one write and are
answered in order, so that the limits cost a request no wait of their own.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Protocol

from msgspec import Struct

from gateway.limits.plan import Plan
from gateway.limits.reservation import NOTHING, Reservation


class Taker(Protocol):
    """Who makes reservations."""

    def take(
        self, plan: Plan, lease: str, tokens: int, call: asyncio.Future[list[int]]
    ) -> Reservation:
        """The reservation of an answer; raises what refuses it. Called once."""
        ...


class Pending(Struct, eq=False):
    """What was asked of `taker`'s store, or a reservation that is there already."""

    _call: asyncio.Future[list[int]] | None
    _taker: Taker | None
    _plan: Plan
    _lease: str = ""
    _tokens: int = 0
    _reservation: Reservation | None = None

    @property
    def answered(self) -> bool:
        """Whether `result` may be called."""
        return self._call is None or self._call.done()

    @property
    def taken(self) -> Reservation | None:
        """The reservation, once `result` has made it."""
        return self._reservation

    def result(self) -> Reservation:
        """The reservation. Raises `RateLimited`, and `Unavailable` without the store.

        Only once it is answered, or what was issued after it on the same connection is.
        """
        call = self._call
        if call is not None:
            self._call = None
            self._reservation = self._take(call)
        assert self._reservation is not None
        return self._reservation

    async def wait(self) -> Reservation:
        """`result`, as soon as it is answered. When cancelled, whatever was taken is given back."""
        call = self._call
        if call is not None and not call.done():
            waiter = asyncio.get_running_loop().create_future()
            call.add_done_callback(functools.partial(_wake, waiter))
            try:
                # The call itself must not be cancelled: what it took would never be known.
                await waiter
            except asyncio.CancelledError:
                self.abandon()
                raise
        return self.result()

    def abandon(self) -> None:
        """Give back what was taken, or will have been. Never raises; nothing after `result`."""
        call, self._call = self._call, None
        if call is not None:
            call.add_done_callback(self._give_back)

    def _take(self, call: asyncio.Future[list[int]]) -> Reservation:
        assert self._taker is not None
        return self._taker.take(self._plan, self._lease, self._tokens, call)

    def _give_back(self, call: asyncio.Future[list[int]]) -> None:
        if not call.cancelled() and call.exception() is None and not call.result()[0]:
            self._take(call).refund()


FREE = Pending(None, None, NOTHING.plan, _reservation=NOTHING)
"""For requests that no limit applies to."""


def _wake(waiter: asyncio.Future[None], call: asyncio.Future[list[int]]) -> None:
    if not waiter.done():
        waiter.set_result(None)
