"""At the door: a slot, a place in line, or a refusal (rules 2, 7, 9 and 10)."""

from __future__ import annotations

from tests.oracle.comeback import Comeback
from tests.oracle.dispatch import Dispatch
from tests.oracle.domain import Domain
from tests.oracle.fairness import Fairness
from tests.oracle.forecast import Outlook, outlook, work_before
from tests.oracle.request import Asked, Reply
from tests.oracle.ticket import State, Ticket


class Entrance:
    """Decides about newcomers."""

    def __init__(
        self, domain: Domain, fairness: Fairness, dispatch: Dispatch, comeback: Comeback
    ) -> None:
        self._domain = domain
        self._fairness = fairness
        self._dispatch = dispatch
        self._comeback = comeback

    def submit(self, asked: Asked, *, cut_short: bool) -> Reply:
        """`cut_short`: the last pump left slots free that somebody waits for."""
        domain = self._domain
        known = domain.tickets.get(asked.ticket)
        if known is not None:
            if known.state is State.WAITING:
                return self._queued(known)
            return ["granted", known.runner, known.fence, known.granted]
        domain.routes[asked.route.id] = asked.route
        ticket = self._ticket(asked)
        runner = self._free_runner(ticket, in_order=asked.in_order, cut_short=cut_short)
        if runner is not None:
            self._dispatch.grant(ticket, runner)
            if asked.patience:
                self._comeback.kept(asked.retry)
            return ["granted", runner, ticket.fence, domain.now]
        if asked.patience:
            self._comeback.keep(ticket, asked.patience)
        seen = self.outlook(ticket)
        budget, hopeless = ticket.latest - ticket.since, False
        if seen is not None:
            ahead = self._ahead(ticket, seen)
            ticket.predicted, hopeless = seen.wait(ahead), seen.too_late(ahead, budget)
        reason = self._refusal(ticket, asked, hopeless=hopeless) if asked.test else None
        if reason is not None:
            return self._refused(ticket, reason, budget, seen)
        if asked.patience:
            self._comeback.kept(asked.retry)
        self._dispatch.enqueue(ticket)
        return self._queued(ticket)

    def _ticket(self, asked: Asked) -> Ticket:
        since = self._domain.now - asked.age
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

    def _free_runner(self, ticket: Ticket, *, in_order: bool, cut_short: bool) -> str | None:
        """Rule 2: the least load for each slot; runners behind one that idles are not looked at."""
        domain = self._domain
        best: str | None = None
        for runner in domain.routes[ticket.route].runners:
            if self._dispatch.reap(runner) or cut_short:
                self._dispatch.pump(runner)
            if domain.free(runner) <= 0 or not domain.fit(runner, ticket.replica):
                continue
            if best is None or self._lighter(runner, best):
                best = runner
                if in_order or domain.load(runner) == 0:
                    break
        return best

    def _lighter(self, runner: str, than: str) -> bool:
        domain = self._domain
        return domain.load(runner) * domain.slots(than) < domain.load(than) * domain.slots(runner)

    def outlook(self, ticket: Ticket) -> Outlook | None:
        """What lies before a ticket, as far as its replica can use the runners."""
        learnt = self._dispatch.of_pool(ticket.pool)
        return outlook(self._domain, self._fairness, learnt, ticket.route, ticket.replica)

    def _ahead(self, ticket: Ticket, seen: Outlook) -> int:
        pool, flow = ticket.pool, ticket.flow
        line = self._domain.line(flow.id, ticket.route)
        position = sum(other.order <= ticket.order for other in line)
        if self._domain.of_flow(pool, flow.id):
            at = self._fairness.stands(pool, flow.rank, flow.id)
            assert at is not None
        else:
            at = self._fairness.start(ticket)
        return seen.ahead(flow, at, work_before(line, position))

    def _refusal(self, ticket: Ticket, asked: Asked, *, hopeless: bool) -> str | None:
        domain = self._domain
        if len(domain.of_flow(ticket.pool, ticket.flow.id)) >= asked.most_in_flow:
            return "flow"
        if len(domain.of_route(ticket.route)) >= asked.most_in_route:
            return "full"
        return "wait" if hopeless else None

    def _queued(self, ticket: Ticket) -> Reply:
        learnt = self._dispatch.of_pool(ticket.pool)
        return [
            "queued",
            self._domain.line(ticket.flow.id, ticket.route).index(ticket),
            learnt.corrected(ticket.predicted, "q50"),
            learnt.corrected(ticket.predicted, "q90"),
            *(ticket.latest, ticket.order, ticket.since),
        ]

    def _refused(self, ticket: Ticket, reason: str, budget: int, seen: Outlook | None) -> Reply:
        after = self._comeback.book(ticket, ticket.predicted, budget, seen)
        waiting = len(self._domain.of_flow(ticket.pool, ticket.flow.id))
        return ["refused", reason, after, ticket.predicted, waiting]
