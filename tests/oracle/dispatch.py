"""Slots: who has one, who gets the next, and how it comes back (rules 1 to 4)."""

from __future__ import annotations

from tests.oracle.domain import Domain
from tests.oracle.fairness import Fairness
from tests.oracle.learning import Learnt
from tests.oracle.limits import LEASE, OFFER, PUMP_STEPS, RANKS, REAPED_AT_ONCE
from tests.oracle.ticket import State, Ticket


class Dispatch:
    """Moves tickets between their lines and their leases."""

    def __init__(self, domain: Domain, fairness: Fairness) -> None:
        self._domain = domain
        self._fairness = fairness
        self.learnt: dict[str, Learnt] = {}
        self.cut_short = False
        """A pump stopped with slots still free."""

    def of_pool(self, pool: str) -> Learnt:
        """What a pool has learnt."""
        return self.learnt.setdefault(pool, Learnt())

    def enqueue(self, ticket: Ticket) -> None:
        """Into its line, by its order."""
        if not self._domain.of_flow(ticket.pool, ticket.flow.id):
            self._fairness.begin(ticket)
        self._wait(ticket)

    def _wait(self, ticket: Ticket) -> None:
        ticket.state, ticket.runner, ticket.fence, ticket.granted = State.WAITING, "", 0, 0
        self._domain.tickets[ticket.id] = ticket

    def drop(self, ticket: Ticket) -> None:
        """Out of its line, for good."""
        del self._domain.tickets[ticket.id]

    def grant(self, ticket: Ticket, runner: str) -> None:
        """A newcomer takes a free slot."""
        self._dispatch(ticket, runner, State.RUNNING, LEASE)

    def end(self, ticket: Ticket) -> None:
        """A lease ends."""
        del self._domain.tickets[ticket.id]

    def reap(self, runner: str) -> bool:
        """End the leases whose time is over; offers go back in line. Whether there were any."""
        now = self._domain.now
        over = [t for t in self._domain.held(runner) if t.expires <= now][:REAPED_AT_ONCE]
        for ticket in over:
            self.end(ticket)
            if ticket.state is State.OFFERED:
                self._fairness.settle(ticket, 0)
                self._wait(ticket)
        return bool(over)

    def pump(self, runner: str) -> None:
        """Offer the free slots of a runner to those whose turn it is."""
        for _ in range(PUMP_STEPS):
            ticket = self._next(runner) if self._domain.free(runner) > 0 else None
            if ticket is None:
                return
            self._offer(ticket, runner)
        self.cut_short = self.cut_short or self._domain.free(runner) > 0

    def pump_all(self) -> None:
        """Every runner, with what time has brought."""
        self.cut_short = False
        for runner in sorted(self._domain.runners):
            self.reap(runner)
            self.pump(runner)
            if not self._domain.held(runner) and not self._domain.fits.get(runner):
                self._domain.runners.discard(runner)

    def _offer(self, ticket: Ticket, runner: str) -> None:
        now = self._domain.now
        self._dispatch(ticket, runner, State.OFFERED, OFFER)
        self.of_pool(ticket.pool).from_wait(ticket, now - ticket.since)
        letter: list[str | int] = ["offer", ticket.id, runner, ticket.fence, now]
        self._domain.mail.append((ticket.replica, letter))

    def _dispatch(self, ticket: Ticket, runner: str, state: State, lasts: int) -> None:
        # While it still counts as waiting: its flow is not idle when it pays.
        self._fairness.charge(ticket)
        domain = self._domain
        domain.fence += 1
        ticket.state, ticket.runner, ticket.fence = state, runner, domain.fence
        ticket.granted, ticket.expires = domain.now, domain.now + lasts
        domain.tickets[ticket.id] = ticket

    def _next(self, runner: str) -> Ticket | None:
        """Rule 4. Where two pools meet at a runner for a while, the older request goes first."""
        pools: dict[str, list[str]] = {}
        for route in self._domain.routes_at(runner):
            pools.setdefault(self._domain.routes[route].pool, []).append(route)
        for rank in RANKS:
            firsts = [self._first(pool, rank, pools[pool], runner) for pool in sorted(pools)]
            found = [ticket for ticket in firsts if ticket is not None]
            if found:
                return min(found, key=lambda ticket: ticket.order)
        return None

    def _first(self, pool: str, rank: int, routes: list[str], runner: str) -> Ticket | None:
        flows = self._fairness.ready(pool, rank)
        for _, flow in flows:
            heads = [self._head(flow, route, runner) for route in routes]
            found = [ticket for ticket in heads if ticket is not None]
            if found:
                return min(found, key=lambda ticket: ticket.place)
        return None

    def _head(self, flow: str, route: str, runner: str) -> Ticket | None:
        """The first of a line that can go there; those that can go nowhere any more are dropped."""
        for ticket in self._domain.line(flow, route):
            if ticket.latest < self._domain.now or not self._domain.alive(ticket.replica):
                self.drop(ticket)
            elif self._domain.fit(runner, ticket.replica):
                return ticket
        return None
