"""Without the store: this replica's own gate, with its share of every runner's slots.

The share is the slots over the replicas that were there last, at least one. Leases that this
replica got from the store and still holds count against it. Others may hold more than their share
from before: until those have had time to end, a replica gives out no more than it held itself when
the store went, so that all together never have more than the larger of slots and replicas.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from gateway.admission.base import Lease, Ticket
from gateway.admission.held import HeldLease, Ledger
from gateway.admission.local import LocalGate, LocalLease
from gateway.admission.snapshot import RunnerLoad, Snapshot, own_view
from gateway.admission.topology import Topology
from gateway.errors import Unavailable

CLOSED_RETRY_S = 5.0
LONGER = 1.5
"""Leases may last so much longer than the longest ones did lately."""
MOST_HELD_BACK_S = 10.0
"""As long as a lease outlives a silent replica: the store waits no longer for others, either."""


class Degraded:
    """The gate while `active`. `slots` are those of all runners, by name, and kept by the owner."""

    def __init__(
        self,
        local: LocalGate,
        ledger: Ledger,
        topology: Topology,
        slots: Mapping[str, int],
        clock: Callable[[], float],
        *,
        replica: str,
        closed: bool,
    ) -> None:
        self.active = False
        self.replicas = 1
        """How many replicas there were at the last look."""
        self._local = local
        self._ledger = ledger
        self._topology = topology
        self._slots = slots
        self._clock = clock
        self._replica = replica
        self._closed = closed
        self._numbers = itertools.count(1)
        self._over = asyncio.Event()
        self._local_leases: dict[str, int] = {}
        self._held_back: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._in_line: dict[asyncio.Future[LocalLease], tuple[Ticket, float]] = {}

    def enter(self) -> None:
        """The store is gone."""
        if not self.active:
            self.active = True
            self._over = asyncio.Event()
            self._ledger.on_change = self.share
            if self.replicas > 1:
                self._hold_back()
            for runner in self._slots:
                self.share(runner)

    def leave(self) -> None:
        """The store is back; whoever waits here is sent there."""
        if self.active:
            self.active = False
            self._ledger.on_change = None
            self._over.set()
            for runner in list(self._held_back):
                self._stop_holding_back(runner)
            for runner in self._slots:
                self._local.set_slots(runner, 0)

    def _hold_back(self) -> None:
        loop = asyncio.get_running_loop()
        for runner in self._slots:
            longest_s = self._ledger.longest_s(runner)
            wait_s = MOST_HELD_BACK_S if longest_s is None else longest_s * LONGER
            timer = loop.call_later(min(wait_s, MOST_HELD_BACK_S), self._others_are_done, runner)
            self._held_back[runner] = self._ledger.in_flight(runner), timer

    def _others_are_done(self, runner: str) -> None:
        self._stop_holding_back(runner)
        self.share(runner)

    def _stop_holding_back(self, runner: str) -> None:
        if runner in self._held_back:
            _, timer = self._held_back.pop(runner)
            timer.cancel()

    def share(self, runner: str) -> None:
        """Work out anew how many slots of a runner are ours to give."""
        if not self.active:
            return
        ours = self._ours(runner)
        of_store = self._ledger.in_flight(runner) - self._local_leases.get(runner, 0)
        self._local.set_slots(runner, max(0, ours - of_store))

    def _ours(self, runner: str) -> int:
        slots = self._slots.get(runner, 0)
        if not slots:
            return 0
        ours = max(1, slots // max(1, self.replicas))
        held_back = self._held_back.get(runner)
        return ours if held_back is None else min(ours, held_back[0])

    def forget(self, runner: str) -> None:
        """The runner is gone from the configuration."""
        self._stop_holding_back(runner)
        self._local.forget(runner)

    def waiting(self, runner: str) -> int:
        """Tickets that wait here."""
        return self._local.waiting(runner)

    async def admit(self, ticket: Ticket, since: float) -> Lease | None:
        """Wait for a slot of our share; None when the store has come back meanwhile.

        Raises `Overloaded`, and `Unavailable` where the operator wants no requests served now.
        """
        if not self.active:
            return None
        if self._closed:
            raise Unavailable(
                "The gateway's store cannot be reached.",
                code="store_unavailable",
                retry_after_s=CLOSED_RETRY_S,
            )
        left_s = max(0.0, since + ticket.wait_s - self._clock())
        admission = asyncio.ensure_future(self._local.admit(replace(ticket, wait_s=left_s)))
        over = asyncio.ensure_future(self._over.wait())
        self._in_line[admission] = ticket, since
        try:
            await asyncio.wait({admission, over}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(admission)
            raise
        finally:
            over.cancel()
            del self._in_line[admission]
        if admission.done():
            return self._lease(ticket, admission.result())
        await _end(admission)
        return None

    def snapshot(self) -> Snapshot:
        """What this replica sees by itself: its share of the slots, its leases, its line."""
        return own_view(
            [
                RunnerLoad(
                    runner,
                    self._topology.id(runner),
                    0 if self._closed else self._ours(runner),
                    self._ledger.in_flight(runner),
                    self._local.waiting(runner),
                )
                for runner in self._slots
            ],
            ((ticket, self._clock() - since) for ticket, since in self._in_line.values()),
            replicas=self.replicas,
            predicted_wait_s=max(map(self._local.predicted_wait_s, self._slots), default=0.0),
        )

    def _lease(self, ticket: Ticket, local: LocalLease) -> HeldLease:
        # The store takes it up under this name when it is back (rule 11).
        id = f"{self._replica}.own{next(self._numbers)}"
        place = self._topology.place(ticket.candidates)
        runner = self._topology.id(local.runner)
        lease = self._ledger.take(id, ticket, place, runner, 0)
        self._local_leases[local.runner] = self._local_leases.get(local.runner, 0) + 1

        def give_back() -> None:
            self._local_leases[local.runner] -= 1
            local.release()

        lease.on_release = give_back
        return lease


async def _end(admission: asyncio.Future[LocalLease]) -> None:
    """Give up a wait; a slot that came in the same instant goes on to the next."""
    admission.cancel()
    await asyncio.wait([admission])
    if not admission.cancelled() and admission.exception() is None:
        admission.result().release(served=False)
