"""A ticket of this replica that waits in the store, and what may become of it."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from gateway.admission.base import Ticket
from gateway.admission.scheduler import Granted, Queued, Refused
from gateway.admission.topology import Place


class Moved(Struct, frozen=True):
    """The store went away: the ticket waits on in this replica's own gate."""


Outcome = Granted | Refused | Moved


class Waiting:
    """`outcome` is made before the ticket is submitted, so that no letter can come too early."""

    __slots__ = ("expired", "id", "order", "outcome", "place", "queued", "since", "ticket")

    def __init__(
        self, id: str, ticket: Ticket, place: Place, since: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.id = id
        self.ticket = ticket
        self.place = place
        self.since = since
        """When its request began to wait, on this replica's monotonic clock."""
        self.order = 0
        """Its place in its line; 0 until the store has given it one."""
        self.expired = False
        """Its time is over."""
        self.queued = False
        """The store has said that it waits."""
        self.outcome: asyncio.Future[Outcome] = loop.create_future()

    def wait(self, place: Queued) -> None:
        """The store has given it a place."""
        self.queued = True
        self.order = place.order
        if place.wait_s > self.ticket.wait_s:
            self.ticket = replace(self.ticket, wait_s=place.wait_s)
        progress = self.ticket.progress
        if progress is not None:
            progress.ahead, progress.predicted_s = place.ahead, place.predicted_s

    def end(self, outcome: Outcome) -> bool:
        """Whether this was its end; False if it had come to one before.

        One whose time is over gets no slot any more: the store is being told to take it back.
        """
        if self.outcome.done() or (self.expired and isinstance(outcome, Granted)):
            return False
        self.outcome.set_result(outcome)
        return True
