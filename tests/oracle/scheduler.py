"""The operations of the scheduler. Each takes the time, and replies as the script does."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.comeback import Comeback
from tests.oracle.dispatch import Dispatch
from tests.oracle.domain import Domain
from tests.oracle.entrance import Entrance
from tests.oracle.fairness import Fairness
from tests.oracle.limits import LEAST_RETRY, OVERDUE, REAPED_AT_ONCE
from tests.oracle.request import Asked, Held, Reply
from tests.oracle.retest import Retest
from tests.oracle.roster import Roster
from tests.oracle.ticket import State


class Scheduler:
    """One scheduling domain."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.fairness = Fairness(self.domain)
        self.dispatch = Dispatch(self.domain, self.fairness)
        self.comeback = Comeback(self.domain)
        shared = self.domain, self.fairness, self.dispatch, self.comeback
        self._entrance = Entrance(*shared)
        self._retest = Retest(*shared)
        self._roster = Roster(self.domain, self.dispatch)

    def submit(self, now: int, asked: Asked) -> Reply:
        """A slot, a place in line, or a refusal; for a ticket that is known: what it has."""
        cut_short = self.dispatch.cut_short
        self._at(now)
        return self._entrance.submit(asked, cut_short=cut_short)

    def finish(self, now: int, ticket_id: str, fence: int, actual: int, *, learn: bool) -> Reply:
        """A request has ended; the slot is somebody else's."""
        self._at(now)
        ticket = self.domain.tickets.get(ticket_id)
        if ticket is None or ticket.state is State.WAITING or ticket.fence != fence:
            return ["stale"]
        self.dispatch.end(ticket)
        self.fairness.pay(ticket, actual)
        if learn:
            self.dispatch.of_pool(ticket.pool).from_service(ticket, actual)
        self.dispatch.reap(ticket.runner)
        self.dispatch.pump(ticket.runner)
        return ["finished"]

    def cancel(self, now: int, ticket_id: str, *, expired: bool) -> Reply:
        """A client has left, or its time in line is over."""
        self._at(now)
        ticket = self.domain.tickets.get(ticket_id)
        if ticket is None:
            return ["unknown", LEAST_RETRY]
        if ticket.state is not State.WAITING:
            self.dispatch.end(ticket)
            self.fairness.settle(ticket, 0)
            self.dispatch.pump(ticket.runner)
            return ["cancelled", LEAST_RETRY]
        self.dispatch.drop(ticket)
        if not expired:
            return ["cancelled", 0]
        self.dispatch.of_pool(ticket.pool).from_wait(ticket, self.domain.now - ticket.since)
        seen = self._entrance.outlook(ticket)
        budget = ticket.latest - ticket.since
        return ["cancelled", self.comeback.book(ticket, budget, budget, seen)]

    def set_runner(self, now: int, replica: str, runner: str, slots: int) -> Reply:
        """What one replica knows of a runner."""
        self._at(now)
        self._roster.report(replica, runner, slots)
        self.dispatch.reap(runner)
        self.dispatch.pump(runner)
        return [self.domain.slots(runner), len(self.domain.held(runner))]

    def forget_runner(self, now: int, replica: str, runner: str) -> Reply:
        """A replica has nothing to do with a runner any more."""
        self._at(now)
        self._roster.unreport(replica, runner)
        self.dispatch.reap(runner)
        self.dispatch.pump(runner)
        return [self.domain.slots(runner)]

    def leave(self, now: int, replica: str) -> Reply:
        """A replica stops."""
        self._at(now)
        self._roster.forget(replica)
        self.dispatch.pump_all()
        return []

    def pump(self, now: int) -> Reply:
        """Let the scheduler see what time has brought."""
        self._at(now)
        self._upkeep()
        return []

    def sync(
        self,
        now: int,
        replica: str,
        runners: Sequence[tuple[str, int]],
        held: Sequence[Held],
        waiting: Sequence[str],
        *,
        afresh: bool = False,
    ) -> Reply:
        """What a replica has and holds; what it does not know of it, in reply."""
        self._at(now)
        self.domain.replicas[replica] = self.domain.now
        for runner, slots in runners:
            self._roster.report(replica, runner, slots)
        if afresh:
            self._roster.disown(replica, {*(each.ticket for each in held), *waiting})
        lost = [each.ticket for each in held if not self._roster.renew(replica, each)]
        unknown: list[object] = []
        offers: list[object] = []
        for each in waiting:
            ticket = self.domain.tickets.get(each)
            if ticket is None:
                unknown.append(each)
            elif ticket.state is not State.WAITING:
                offers.append([each, ticket.runner, ticket.fence, ticket.granted])
        self._upkeep()
        return [self.domain.now, len(self.domain.replicas), lost, unknown, offers]

    def _at(self, now: int) -> None:
        self.domain.now = max(self.domain.now, now)

    def _upkeep(self) -> None:
        domain = self.domain
        self._roster.forget_the_silent()
        over = [t for t in domain.waiting() if t.latest <= domain.now - OVERDUE]
        for ticket in sorted(over, key=lambda t: (t.latest, t.id))[:REAPED_AT_ONCE]:
            self.dispatch.drop(ticket)
        self.comeback.clear()
        self.dispatch.pump_all()
        self._retest.run()
