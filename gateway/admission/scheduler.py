"""The operations of the scheduler in the store, one method for each. See DESIGN.md and `lua/`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from gateway.admission.base import Ticket
from gateway.admission.library import library_of
from gateway.admission.topology import Place
from gateway.store import Library, Store

OFFER_S = 5.0
"""As in `lua/constants.lua`."""


class Granted(Struct, frozen=True, gc=False):
    """A slot."""

    runner: str
    """Its id in the store."""
    fence: int
    at_s: float
    """When, on the store's clock."""


class Queued(Struct, frozen=True, gc=False):
    """A place in line."""

    ahead: int
    predicted_s: float
    """Median of the predicted wait."""
    predicted_90_s: float
    order: int
    wait_s: float
    """How long it may wait in all."""


class Refused(Struct, frozen=True, gc=False):
    """No place in line, or not any more."""

    reason: str
    """`flow` or `full`: too many wait already; `wait`: it would wait too long."""
    retry_after_s: float
    predicted_s: float


class Held(Struct, frozen=True, gc=False):
    """A lease as `sync` names it."""

    ticket: str
    fence: int
    runner: str
    place: Place
    ticket_of: Ticket

    def packed(self) -> tuple[Any, ...]:
        """As the script wants it."""
        flow = self.ticket_of.flow
        return (
            *(self.ticket, self.fence, self.runner, self.place.pool, self.place.route),
            *(flow.id, flow.rank, flow.weight, _us(self.ticket_of.cost_s)),
        )


class Synced(Struct, frozen=True, gc=False):
    """What a replica learns from the store about itself."""

    now_s: float
    replicas: int
    lost: tuple[str, ...]
    """Leases that are gone although the requests still run."""
    unknown: tuple[str, ...]
    """Tickets that must be submitted again."""
    offers: tuple[tuple[str, Granted], ...]


class Scheduler:
    """Calls the operations on behalf of one replica. Every method may raise `StoreDown`."""

    def __init__(
        self, store: Store, *, replica: str, most_in_flow: int, library: Library | None = None
    ) -> None:
        self._store = store
        self._replica = replica
        self._most_in_flow = most_in_flow
        self._key = store.home
        self._library = library or library_of()

    @property
    def mailbox(self) -> bytes:
        """The stream with this replica's letters."""
        return b"%b:mail:%b" % (self._key, self._replica.encode())

    @property
    def reachable(self) -> bool:
        """Whether a call has a chance now."""
        return self._store.up

    async def load(self) -> None:
        """Make the store know the operations before the first request does."""
        await self._store.load([self._library])

    def submit(
        self,
        id: str,
        ticket: Ticket,
        place: Place,
        age_s: float = 0.0,
        order: int = 0,
        *,
        test: bool = True,
    ) -> asyncio.Future[list[Any]]:
        """Ask for a slot; `answer_of` reads the reply. An id that is known already gets the answer
        that holds for it now. Without `test` it is not refused."""
        flow = ticket.flow
        return self._store.call(
            self._library,
            self._key,
            (
                "submit",
                self._replica,
                id,
                place.pool,
                place.route,
                place.runners,
                flow.id,
                flow.label,
                flow.rank,
                flow.weight,
                int(ticket.cost_s * 1e6),
                int(ticket.wait_s * 1e6),
                int(ticket.lead_s * 1e6),
                int(age_s * 1e6),
                order,
                self._most_in_flow,
                ticket.max_waiting,
                ticket.policy == "ordered",
                ticket.retry,
                int(ticket.patience_s * 1e6),
                1 if ticket.last_resort else 0,
                1 if test else 0,
            ),
        )

    def finish(
        self, id: str, fence: int, held_s: float, *, served: bool, at_once: bool = False
    ) -> bool:
        """Give a slot back; gets through before whatever is called later. False if not sent.

        `at_once`: somebody waits for it.
        """
        arguments = ("finish", id, fence, int(held_s * 1e6), 1 if served else 0)
        return self._store.tell(self._library, self._key, arguments, at_once=at_once)

    def cancel(self, id: str) -> None:
        """Take a ticket out, whatever has become of it."""
        self._tell(("cancel", id, 0))

    async def expire(self, id: str) -> float:
        """Take out a ticket whose time is over; when to come again, in seconds."""
        reply = await self._call(("cancel", id, 1))
        return float(reply[1]) / 1e6

    def set_runner(self, runner: str, slots: int) -> None:
        """Report the slots of a runner, by its id."""
        self._tell(("set_runner", self._replica, runner, slots))

    def forget_runner(self, runner: str) -> None:
        """This replica has nothing to do with a runner any more."""
        self._tell(("forget_runner", self._replica, runner))

    async def sync(
        self,
        runners: Sequence[str | int],
        held: Sequence[Held],
        waiting: Sequence[str],
        *,
        known: int = 1,
        afresh: bool = False,
    ) -> Synced:
        """Give a sign of life, with everything this replica has and holds.

        `known` is how many replicas there were the last time. `afresh`: the store was out of
        reach; what it has of this replica beside that is over.
        """
        packed = [each.packed() for each in held]
        now, replicas, lost, unknown, offers = await self._call(
            ("sync", self._replica, runners, packed, waiting, known, int(afresh))
        )
        return Synced(
            now / 1e6,
            replicas,
            tuple(id.decode() for id in lost),
            tuple(id.decode() for id in unknown),
            tuple(
                (id.decode(), Granted(runner.decode(), fence, at / 1e6))
                for id, runner, fence, at in offers
            ),
        )

    async def pump(self) -> None:
        """Let the store see what time has brought."""
        await self._call(("pump",))

    async def leave(self) -> None:
        """This replica stops."""
        await self._call(("leave", self._replica))

    async def state(self) -> bytes:
        """The whole queue as JSON."""
        state: bytes = await self._call(("state",))
        return state

    def _tell(self, arguments: tuple[Any, ...]) -> None:
        # A failure shows in the store's state and is mended by `sync`, or by the lease's end.
        self._store.tell(self._library, self._key, arguments)

    def _call(self, arguments: tuple[Any, ...]) -> asyncio.Future[Any]:
        return self._store.call(self._library, self._key, arguments)


def _us(time_s: float) -> int:
    return int(time_s * 1e6)


def answer_of(reply: list[Any]) -> Granted | Queued | Refused:
    """What the store's reply to `submit` means."""
    if reply[0] == b"granted":
        return Granted(reply[1].decode(), reply[2], reply[3] / 1e6)
    if reply[0] == b"queued":
        wait_s = (reply[4] - reply[6]) / 1e6
        return Queued(reply[1], reply[2] / 1e6, reply[3] / 1e6, reply[5], wait_s)
    return Refused(reply[1].decode(), reply[2] / 1e6, reply[3] / 1e6)
