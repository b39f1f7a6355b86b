"""The leases that this replica holds, whether the store gave them or it had to do without."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from gateway.admission.base import Ticket
from gateway.admission.scheduler import Held, Scheduler
from gateway.admission.topology import Place

MOST_DOUBTS = 10_000
FADING = 0.98
"""What is left of the longest lease with each one after it: some fifty are remembered."""


class HeldLease(Struct, eq=False):
    """A slot. `on_release` gives back what this replica's own gate gave, if it did."""

    _ledger: Ledger | None
    id: str
    ticket: Ticket
    place: Place
    store_runner: str
    fence: int
    runner: str
    since: float
    on_release: Callable[[], None] | None = None

    def release(self, *, served: bool = True) -> None:
        """See `Lease.release`."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.leave(self, served=served)


class Ledger:
    """Knows every lease until it is released, and every ticket whose fate is not known.

    `on_change` is called with the runner's name whenever it has one lease less. `crowded` says
    whether somebody waits for a slot.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Callable[[], float],
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._crowded = crowded
        self._leases: dict[str, HeldLease] = {}
        self._doubts: dict[str, None] = {}
        self._longest_s: dict[str, float] = {}
        self.on_change: Callable[[str], None] | None = None

    def take(self, id: str, ticket: Ticket, place: Place, runner: str, fence: int) -> HeldLease:
        """Hold a slot of a runner, given by its id, from now on."""
        # By the name that it has here: the place lists the same runners in the same order.
        name = ticket.candidates[place.runners.index(runner)]
        lease = HeldLease(self, id, ticket, place, runner, fence, name, self._clock())
        self._leases[id] = lease
        return lease

    def leave(self, lease: HeldLease, *, served: bool) -> None:
        """The lease ends. The store is told at once, or finds out by the lease's time."""
        if self._leases.pop(lease.id, None) is not None:
            held_s = self._clock() - lease.since
            faded_s = self._longest_s.get(lease.runner, 0.0) * FADING
            self._longest_s[lease.runner] = held_s if held_s > faded_s else faded_s
            # The answer of this request is still to be sent: whoever waits need not wait for that.
            told = self._scheduler.finish(
                lease.id, lease.fence, held_s, served=served, at_once=self._crowded()
            )
            if not told:
                self.doubt(lease.id)
        if lease.on_release is not None:
            lease.on_release()
        if self.on_change is not None:
            self.on_change(lease.runner)

    def lose(self, id: str) -> None:
        """The store took a lease back because we were silent for too long; its request runs on.

        Whatever the store has under this id now is nobody's.
        """
        if self._leases.pop(id, None) is not None:
            self._scheduler.cancel(id)

    def in_flight(self, runner: str) -> int:
        """Leases on a runner, by its name here. Looks at all of them."""
        return sum(lease.runner == runner for lease in self._leases.values())

    def longest_s(self, runner: str) -> float | None:
        """About how long the longest of the last leases lasted; None where there was none."""
        return self._longest_s.get(runner)

    def held(self) -> list[Held]:
        """Every lease, as `sync` names it."""
        return [
            Held(lease.id, lease.fence, lease.store_runner, lease.place, lease.ticket)
            for lease in self._leases.values()
        ]

    def doubt(self, id: str) -> None:
        """The store may have a ticket or a lease that is nobody's any more."""
        if len(self._doubts) < MOST_DOUBTS:
            self._doubts[id] = None

    def settle_doubts(self) -> None:
        """Take back whatever may have arrived."""
        doubts, self._doubts = self._doubts, {}
        for id in doubts:
            self._scheduler.cancel(id)
