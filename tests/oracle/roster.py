"""Replicas: what they report, what they hold, and what is left of those that are gone."""

from __future__ import annotations

from tests.oracle.dispatch import Dispatch
from tests.oracle.domain import Domain
from tests.oracle.limits import GONE, LEASE
from tests.oracle.request import Held
from tests.oracle.ticket import State, Ticket


class Roster:
    """Keeps what each replica says of itself."""

    def __init__(self, domain: Domain, dispatch: Dispatch) -> None:
        self._domain = domain
        self._dispatch = dispatch

    def report(self, replica: str, runner: str, slots: int) -> None:
        """A replica knows a runner; 0: it cannot use it now."""
        self._domain.runners.add(runner)
        self._domain.fits.setdefault(runner, {})[replica] = slots

    def unreport(self, replica: str, runner: str) -> None:
        """It does not know it any more."""
        self._domain.fits.get(runner, {}).pop(replica, None)

    def forget(self, replica: str) -> None:
        """What it reported, and what of it waits, counts no more; its leases end by themselves."""
        for runner in self._domain.fits:
            self.unreport(replica, runner)
        for ticket in [t for t in self._domain.waiting() if t.replica == replica]:
            self._dispatch.drop(ticket)
        self._domain.replicas.pop(replica, None)

    def disown(self, replica: str, ours: set[str]) -> None:
        """It was out of touch: whatever else there is of it is over."""
        for ticket in list(self._domain.tickets.values()):
            if ticket.replica == replica and ticket.id not in ours:
                del self._domain.tickets[ticket.id]

    def renew(self, replica: str, held: Held) -> bool:
        """Confirm a lease, or take it up again if nobody knows it. False: it is lost."""
        domain = self._domain
        ticket = domain.tickets.get(held.ticket)
        if ticket is None:
            domain.tickets[held.ticket] = ticket = Ticket(
                id=held.ticket,
                route=held.route.id,
                pool=held.route.pool,
                flow=held.flow,
                cost=max(1, held.cost),
                order=domain.now,
                since=domain.now,
                latest=domain.now,
                replica=replica,
                runner=held.runner,
                fence=held.fence,
                granted=domain.now,
            )
            domain.runners.add(held.runner)
            domain.fence = max(domain.fence, held.fence)
        elif ticket.state is State.WAITING or ticket.fence != held.fence:
            return False
        ticket.state = State.RUNNING
        ticket.expires = domain.now + LEASE
        return True

    def forget_the_silent(self) -> None:
        """Those that have given no sign of life for too long."""
        for replica, seen in list(self._domain.replicas.items()):
            if seen <= self._domain.now - GONE:
                self.forget(replica)
