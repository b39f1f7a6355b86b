"""Keeps a replica and the store of one mind: about what it holds, what waits, and who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.admission.degraded import Degraded
from gateway.admission.held import Ledger
from gateway.admission.scheduler import Queued, Scheduler, answer_of
from gateway.admission.topology import Topology
from gateway.admission.upkeep import Upkeep
from gateway.admission.waiting import Moved, Waiting
from gateway.admission.waiting_room import WaitingRoom
from gateway.store import StoreDown


class Reconciliation:
    """Tells the store what this replica has, and does what the store's answer asks for.

    `slots` are those of all runners by name, and kept by the owner.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        ledger: Ledger,
        room: WaitingRoom,
        topology: Topology,
        slots: Mapping[str, int],
        degraded: Degraded,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._ledger = ledger
        self._room = room
        self._topology = topology
        self._slots = slots
        self._degraded = degraded
        self._clock = clock
        self.upkeep = Upkeep(
            scheduler, clock, sync=self.sync, wake=self._recover, on_down=self._down
        )

    async def sync(self, *, afresh: bool = False) -> None:
        """Tell the store what we have and hold, and take in what it says. Raises `StoreDown`."""
        runners: list[str | int] = []
        for name, slots in self._slots.items():
            runners += (self._topology.id(name), slots)
        for id in self._room.unclaimed():
            self._scheduler.cancel(id)
        queued = [each.id for each in self._room.queued()]
        asked = self._clock()
        answer = await self._scheduler.sync(
            runners, self._ledger.held(), queued, known=self._degraded.replicas, afresh=afresh
        )
        self.upkeep.set_time(answer.now_s, asked)
        self._degraded.replicas = answer.replicas
        for id in answer.lost:
            self._ledger.lose(id)
        for id, granted in answer.offers:
            waiting = self._room.get(id)
            if waiting is not None and waiting.end(granted):
                self.upkeep.sync_soon()
        for id in answer.unknown:
            waiting = self._room.get(id)
            if waiting is not None and not waiting.outcome.done():
                self.upkeep.spawn(self._make_known(waiting))

    def submit_again(self, waiting: Waiting, now: float) -> asyncio.Future[list[Any]]:
        """With its age, and its place in its line; it is not refused."""
        ticket, place, age_s = waiting.ticket, waiting.place, now - waiting.since
        return self._scheduler.submit(waiting.id, ticket, place, age_s, waiting.order, test=False)

    async def _make_known(self, waiting: Waiting) -> None:
        """The store has forgotten a ticket."""
        if waiting.outcome.done():
            return
        try:
            answer = answer_of(await self.submit_again(waiting, self._clock()))
        except StoreDown:
            return  # it is unknown at the next sync, too
        if isinstance(answer, Queued):
            waiting.wait(answer)
        elif not waiting.end(answer):
            self._scheduler.cancel(waiting.id)

    def _down(self) -> None:
        """The store is lost: what waited there waits here from now on."""
        self._degraded.enter()
        for waiting in self._room.queued():
            if waiting.end(Moved()):
                self._ledger.doubt(waiting.id)

    async def _recover(self) -> None:
        """The store is back: first the leases, then the tickets."""
        await self._scheduler.load()
        self._ledger.settle_doubts()
        await self.sync(afresh=True)
        if not self._scheduler.reachable:
            raise StoreDown("it has gone again")
        self._degraded.leave()
        # What was given out meanwhile is not in it yet.
        self.upkeep.sync_soon()
