"""A reservation that the store has been asked for and may not have answered yet.

It lets a request ask for its slot in the same breath: both commands leave in one write and are
answered in order, so that the limits cost a request no wait of their own.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from msgspec import Struct

from gateway.limits.reservation import NOTHING, Reservation


class Pending(Struct, eq=False):
    """`take` makes the reservation of the answer, or raises what refuses it; it is called once."""

    _call: asyncio.Future[list[int]] | None
    _take: Callable[[asyncio.Future[list[int]]], Reservation]
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
            call.add_done_callback(functools.partial(_give_back, self._take))


def _nothing(call: asyncio.Future[list[int]]) -> Reservation:
    return NOTHING


FREE = Pending(None, _nothing, NOTHING)
"""For requests that no limit applies to."""


def _wake(waiter: asyncio.Future[None], call: asyncio.Future[list[int]]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _give_back(
    take: Callable[[asyncio.Future[list[int]]], Reservation], call: asyncio.Future[list[int]]
) -> None:
    if not call.cancelled() and call.exception() is None and not call.result()[0]:
        take(call).refund()
