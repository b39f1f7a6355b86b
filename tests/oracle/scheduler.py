"""The operations of the scheduler. Each takes the time, and replies as the script does."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.comeback import Comeback
from tests.oracle.dispatch import Dispatch
from tests.oracle.domain import Domain
from tests.oracle.fairness import Fairness
from tests.oracle.forecast import Outlook, outlook, work_before
from tests.oracle.limits import GONE, LEASE, LEAST_RETRY, OVERDUE, REAPED_AT_ONCE
from tests.oracle.request import Asked, Held
from tests.oracle.retest import Retest
from tests.oracle.ticket import State, Ticket

Reply = list[object]


class Scheduler:
    """One scheduling domain."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.fairness = Fairness(self.domain)
        self.dispatch = Dispatch(self.domain, self.fairness)
        self.comeback = Comeback(self.domain)
        self.retest = Retest(self.domain, self.fairness, self.dispatch, self.comeback)

    def submit(self, now: int, asked: Asked) -> Reply:
        """A slot, a place in line, or a refusal; for a ticket that is known: what it has."""
        self._at(now)
        domain = self.domain
        known = domain.tickets.get(asked.ticket)
        if known is not None:
            if known.state is State.WAITING:
                return self._queued(known)
            return ["granted", known.runner, known.fence, known.granted]
        domain.routes[asked.route.id] = asked.route
        ticket = self._ticket(asked)
        runner = self._free_runner(ticket, in_order=asked.in_order)
        if runner is not None:
            self.dispatch.grant(ticket, runner)
            if asked.patience:
                self.comeback.kept(asked.retry)
            return ["granted", runner, ticket.fence, domain.now]
        if asked.patience:
            self.comeback.keep(ticket, asked.patience)
        seen = self._outlook(ticket, ticket.replica)
        ahead = 0 if seen is None else self._ahead(ticket, seen)
        if seen is not None:
            ticket.predicted = seen.wait(ahead)
        hopeless = seen is not None and seen.hopeless(ahead, ticket.latest - ticket.since)
        reason = self._refusal(ticket, asked, hopeless=hopeless) if asked.test else None
        if reason is not None:
            return self._refused(ticket, reason, ticket.latest - ticket.since, seen)
        if asked.patience:
            self.comeback.kept(asked.retry)
        self.dispatch.enqueue(ticket)
        return self._queued(ticket)

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
        seen = self._outlook(ticket, ticket.replica)
        budget = ticket.latest - ticket.since
        return ["cancelled", self.comeback.book(ticket, budget, budget, seen)]

    def set_runner(self, now: int, replica: str, runner: str, slots: int) -> Reply:
        """What one replica knows of a runner."""
        self._at(now)
        self._report(replica, runner, slots)
        self.dispatch.reap(runner)
        self.dispatch.pump(runner)
        return [self.domain.slots(runner), len(self.domain.held(runner))]

    def forget_runner(self, now: int, replica: str, runner: str) -> Reply:
        """A replica has nothing to do with a runner any more."""
        self._at(now)
        self._unreport(replica, runner)
        self.dispatch.reap(runner)
        self.dispatch.pump(runner)
        return [self.domain.slots(runner)]

    def leave(self, now: int, replica: str) -> Reply:
        """A replica stops."""
        self._at(now)
        self._forget(replica)
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
    ) -> Reply:
        """What a replica has and holds; what it does not know of it, in reply."""
        self._at(now)
        self.domain.replicas[replica] = self.domain.now
        for runner, slots in runners:
            self._report(replica, runner, slots)
        lost = [each.ticket for each in held if not self._renew(replica, each)]
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
        self._cut_short = self.dispatch.cut_short

    def _ticket(self, asked: Asked) -> Ticket:
        since = self.domain.now - asked.age
        return Ticket(
            id=asked.ticket,
            route=asked.route.id,
            pool=asked.route.pool,
            flow=asked.flow,
            cost=max(1, asked.cost),
            order=asked.order or since + asked.lead,
            since=since,
            latest=since + asked.budget,
            replica=asked.replica,
            retry=asked.retry,
            books=asked.books,
        )

    def _free_runner(self, ticket: Ticket, *, in_order: bool) -> str | None:
        """Rule 2: the least load for each slot; runners behind one that idles are not looked at."""
        domain = self.domain
        best: str | None = None
        for runner in domain.routes[ticket.route].runners:
            if self.dispatch.reap(runner) or self._cut_short:
                self.dispatch.pump(runner)
            if domain.free(runner) <= 0 or not domain.fit(runner, ticket.replica):
                continue
            if best is None or self._lighter(runner, best):
                best = runner
                if in_order or domain.load(runner) == 0:
                    break
        return best

    def _lighter(self, runner: str, than: str) -> bool:
        domain = self.domain
        return domain.load(runner) * domain.slots(than) < domain.load(than) * domain.slots(runner)

    def _outlook(self, ticket: Ticket, replica: str) -> Outlook | None:
        learnt = self.dispatch.of_pool(ticket.pool)
        return outlook(self.domain, self.fairness, learnt, ticket.route, replica)

    def _ahead(self, ticket: Ticket, seen: Outlook) -> int:
        pool, flow = ticket.pool, ticket.flow
        line = self.domain.line(flow.id, ticket.route)
        position = sum(other.order <= ticket.order for other in line)
        if self.domain.of_flow(pool, flow.id):
            at = self.fairness.stands(pool, flow.rank, flow.id)
            assert at is not None
        else:
            at = self.fairness.start(ticket)
        return seen.ahead(flow, at, work_before(line, position))

    def _refusal(self, ticket: Ticket, asked: Asked, *, hopeless: bool) -> str | None:
        domain = self.domain
        if len(domain.of_flow(ticket.pool, ticket.flow.id)) >= asked.most_in_flow:
            return "flow"
        if len(domain.of_route(ticket.route)) >= asked.most_in_route:
            return "full"
        return "wait" if hopeless else None

    def _queued(self, ticket: Ticket) -> Reply:
        learnt = self.dispatch.of_pool(ticket.pool)
        return [
            "queued",
            self.domain.line(ticket.flow.id, ticket.route).index(ticket),
            learnt.corrected(ticket.predicted, "q50"),
            learnt.corrected(ticket.predicted, "q90"),
            *(ticket.latest, ticket.order, ticket.since),
        ]

    def _refused(self, ticket: Ticket, reason: str, budget: int, seen: Outlook | None) -> Reply:
        after = self.comeback.book(ticket, ticket.predicted, budget, seen)
        waiting = len(self.domain.of_flow(ticket.pool, ticket.flow.id))
        return ["refused", reason, after, ticket.predicted, waiting]

    def _report(self, replica: str, runner: str, slots: int) -> None:
        self.domain.runners.add(runner)
        self.domain.fits.setdefault(runner, {})[replica] = slots

    def _unreport(self, replica: str, runner: str) -> None:
        self.domain.fits.get(runner, {}).pop(replica, None)

    def _forget(self, replica: str) -> None:
        for runner in self.domain.fits:
            self._unreport(replica, runner)
        for ticket in [t for t in self.domain.waiting() if t.replica == replica]:
            self.dispatch.drop(ticket)
        self.domain.replicas.pop(replica, None)

    def _renew(self, replica: str, held: Held) -> bool:
        """Confirm a lease, or take it up again if nobody knows it. False: it is lost."""
        domain = self.domain
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

    def _upkeep(self) -> None:
        domain = self.domain
        for replica, seen in list(domain.replicas.items()):
            if seen <= domain.now - GONE:
                self._forget(replica)
        over = [t for t in domain.waiting() if t.latest <= domain.now - OVERDUE]
        for ticket in sorted(over, key=lambda t: (t.latest, t.id))[:REAPED_AT_ONCE]:
            self.dispatch.drop(ticket)
        self.comeback.clear()
        self.dispatch.pump_all()
        self.retest.run()
