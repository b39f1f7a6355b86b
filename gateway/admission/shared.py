"""Admission by the store: one queue for all replicas. DESIGN.md has the rules.

While the store is down, requests go through this replica's own gate, with its share of the slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from gateway.admission.base import Lease, Ticket
from gateway.admission.degraded import Degraded
from gateway.admission.held import Ledger
from gateway.admission.local import LocalGate
from gateway.admission.mailbox import Letter, Mailbox
from gateway.admission.reconciliation import Reconciliation
from gateway.admission.refusal import refusal
from gateway.admission.scheduler import (
    OFFER_S,
    Granted,
    Queued,
    Refused,
    Scheduler,
    answer_of,
)
from gateway.admission.snapshot import Snapshot, snapshot_of
from gateway.admission.topology import Topology
from gateway.admission.waiting import Moved, Waiting
from gateway.admission.waiting_room import WaitingRoom
from gateway.errors import Unavailable
from gateway.store import Library, Store, StoreDown

logger = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Between two tries of a request at a store that is there and answers with errors."""


class SharedGate:
    """Hands out slots that any number of replicas share. Belongs to one event loop.

    `clock` is monotonic, in seconds. `closed` refuses requests while the store is down, instead of
    serving them with a share of the slots. `library` has the scheduler's operations.
    """

    def __init__(
        self,
        store: Store,
        *,
        most_in_flow: int,
        local: LocalGate,
        clock: Callable[[], float],
        closed: bool = False,
        library: Library | None = None,
    ) -> None:
        self.replica = secrets.token_hex(6)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._topology = Topology()
        self._slots: dict[str, int] = {}
        self._room = WaitingRoom()
        self._scheduler = Scheduler(
            store, replica=self.replica, most_in_flow=most_in_flow, library=library
        )
        self._ledger = Ledger(self._scheduler, clock, lambda: not self._room.empty)
        self._degraded = Degraded(
            local,
            self._ledger,
            self._topology,
            self._slots,
            clock,
            replica=self.replica,
            closed=closed,
        )
        self._mailbox = Mailbox(store, self._scheduler.mailbox, self._deliver)
        self._reconciliation = Reconciliation(
            self._scheduler,
            self._ledger,
            self._room,
            self._topology,
            self._slots,
            self._degraded,
            clock=clock,
        )
        self._upkeep = self._reconciliation.upkeep
        store.on_change(self._upkeep.store_changed)
        self._store = store

    @property
    def degraded(self) -> bool:
        """The store is down, and this replica is on its own."""
        return self._degraded.active

    @property
    def replicas(self) -> int:
        """How many replicas there are, this one included, as far as is known."""
        return self._degraded.replicas

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler as this replica calls it."""
        return self._scheduler

    @property
    def topology(self) -> Topology:
        """What runners are called in the store."""
        return self._topology

    async def start(self, *, learn: Callable[[], None] = lambda: None) -> None:
        """Make this replica known; without the store it begins on its own.

        `learn` is called now and then, for work that no request should wait for.
        """
        self._upkeep.learn = learn
        try:
            await self._scheduler.load()
            await self._reconciliation.sync()
        except StoreDown:
            self._upkeep.store_changed(False)
            if self._store.up:
                self._upkeep.store_changed(True)
        self._mailbox.start()
        self._upkeep.start()

    async def aclose(self) -> None:
        """Take leave of the store. Idempotent."""
        await self._upkeep.aclose()
        await self._mailbox.aclose()
        if self._store.up:
            try:
                await self._scheduler.leave()
            except StoreDown as error:
                logger.info("could not take leave of the store: %s", error)

    async def admit(self, ticket: Ticket) -> Lease:
        """See `Admission.admit`."""
        sent = self._clock()
        if self._degraded.active:
            return await self._on_our_own(ticket, sent)
        try:
            return await self._through_the_store(ticket, sent)
        except _Again:
            return await self._on_our_own(ticket, sent)

    async def _through_the_store(self, ticket: Ticket, sent: float) -> Lease:
        """Raises `_Again` where the store did not answer, or went away meanwhile."""
        id = f"{self.replica}.{next(self._numbers):010x}"
        place = self._topology.place(ticket.candidates)
        try:
            reply = await self._scheduler.submit(id, ticket, place)
        except StoreDown:
            self._ledger.doubt(id)
            raise _Again from None
        except asyncio.CancelledError:
            self._scheduler.cancel(id)
            raise
        if ticket.permit is not None:
            try:
                late = ticket.permit()
                if late is not None:
                    await late
            except BaseException:
                self._scheduler.cancel(id)
                raise
        if reply[0] == b"granted" and self._clock() - sent < OFFER_S:
            return self._ledger.take(id, ticket, place, reply[1].decode(), reply[2])
        waiting = Waiting(id, ticket, place, sent, self._loop)
        return await self._with(waiting, self._go_on(waiting, answer_of(reply), sent))

    def know(self, runner: str, identity: str) -> None:
        """See `Admission.know`."""
        before = self._topology.id(runner)
        self._topology.know(runner, identity)
        if self._slots.pop(runner, None) is not None:
            self._leave(before)

    def connect(self, routes: Iterable[tuple[str, ...]]) -> None:
        """See `Admission.connect`."""
        self._topology.connect(routes)

    def set_slots(self, runner: str, slots: int) -> None:
        """See `Admission.set_slots`."""
        if self._slots.get(runner) == slots:
            return
        self._slots[runner] = slots
        self._scheduler.set_runner(self._topology.id(runner), slots)
        self._degraded.share(runner)

    def forget(self, runner: str) -> None:
        """See `Admission.forget`."""
        self._slots.pop(runner, None)
        before = self._topology.id(runner)
        self._topology.forget(runner)
        self._leave(before)
        self._degraded.forget(runner)

    def in_flight(self, runner: str) -> int:
        """See `Admission.in_flight`."""
        return self._ledger.in_flight(runner)

    def waiting(self, runner: str) -> int:
        """See `Admission.waiting`."""
        return self._room.count(runner) + self._degraded.waiting(runner)

    async def snapshot(self) -> Snapshot:
        """The queue of all replicas; while the store is down, or does not answer, of this one."""
        if not self._degraded.active:
            with contextlib.suppress(StoreDown):
                return snapshot_of(await self._scheduler.state(), self._topology)
        return self._degraded.snapshot()

    async def _with(self, waiting: Waiting, work: Coroutine[Any, Any, Lease]) -> Lease:
        """Do something about a ticket that letters may come for meanwhile."""
        with self._room.entered(waiting):
            try:
                return await work
            except asyncio.CancelledError:
                self._scheduler.cancel(waiting.id)
                raise

    async def _submit_and_go_on(self, waiting: Waiting) -> Lease:
        sent = self._clock()
        try:
            reply = await self._reconciliation.submit_again(waiting, sent)
        except StoreDown:
            self._ledger.doubt(waiting.id)
            raise _Again from None
        return await self._go_on(waiting, answer_of(reply), sent)

    async def _go_on(
        self, waiting: Waiting, answer: Granted | Queued | Refused, sent: float
    ) -> Lease:
        """Do what the store's answer to a ticket asks for; wait, if that is what it is."""
        if isinstance(answer, Queued):
            waiting.wait(answer)
            outcome = await self._wait(waiting)
        elif isinstance(answer, Granted) and self._clock() - sent >= OFFER_S:
            # This process stood still: the lease may be another's by now.
            self._scheduler.cancel(waiting.id)
            raise _Again
        else:
            outcome = answer
        ticket = waiting.ticket
        if isinstance(outcome, Moved):
            raise _Again
        if isinstance(outcome, Refused):
            raise refusal(ticket, outcome, slots=self._slots_of(ticket))
        return self._ledger.take(waiting.id, ticket, waiting.place, outcome.runner, outcome.fence)

    async def _wait(self, waiting: Waiting) -> Granted | Refused | Moved:
        left_s = waiting.since + waiting.ticket.wait_s - self._clock()
        timer = self._loop.call_later(max(0.0, left_s), self._expire, waiting)
        try:
            return await waiting.outcome
        finally:
            timer.cancel()

    def _expire(self, waiting: Waiting) -> None:
        waiting.expired = True
        self._upkeep.spawn(self._expired(waiting))

    async def _expired(self, waiting: Waiting) -> None:
        try:
            retry_after_s = await self._scheduler.expire(waiting.id)
        except StoreDown:
            self._ledger.doubt(waiting.id)
            retry_after_s = 1.0
        waited_s = self._clock() - waiting.since
        waiting.end(Refused("expired", retry_after_s, waited_s))

    async def _on_our_own(self, ticket: Ticket, since: float) -> Lease:
        """Through this replica's own gate, and back into the store's line when it returns."""
        while True:
            lease = await self._degraded.admit(ticket, since)
            if lease is not None:
                return lease
            id = f"{self.replica}.{next(self._numbers):010x}"
            place = self._topology.place(ticket.candidates)
            waiting = Waiting(id, ticket, place, since, self._loop)
            with contextlib.suppress(_Again):
                return await self._with(waiting, self._submit_and_go_on(waiting))
            if self._degraded.active:
                continue
            # It is there, and answers with errors.
            if self._clock() - since > ticket.wait_s:
                raise Unavailable(
                    "The gateway's store does not do what it is asked for; its log says more.",
                    code="store_unavailable",
                    retry_after_s=PAUSE_S,
                )
            await asyncio.sleep(PAUSE_S)

    def _deliver(self, letter: Letter) -> None:
        kind, id = letter[0], letter[1]
        if kind == "refused":
            self._room.end(id, Refused("hopeless", letter[2] / 1e6, letter[3] / 1e6))
            return
        granted = Granted(letter[2], letter[3], letter[4] / 1e6)
        if self._upkeep.store_time() - granted.at_s > OFFER_S / 2:
            # Read too late: only the store knows whether it still holds.
            self._upkeep.sync_soon()
        else:
            self._room.end(id, granted)

    def _leave(self, runner: str) -> None:
        """A name does not mean this runner any more; another one may."""
        if self._topology.name(runner) is None:
            self._scheduler.forget_runner(runner)

    def _slots_of(self, ticket: Ticket) -> int:
        return sum(self._slots.get(name, 0) for name in ticket.candidates)


class _Again(Exception):
    """A ticket that has to find another way: the store did not answer, or has gone."""
