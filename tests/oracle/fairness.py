"""Start-time fair queueing between the flows of a pool, for each rank by itself (rules 5 and 6)."""

from __future__ import annotations

from tests.oracle.domain import Domain
from tests.oracle.limits import HEAD_START, PART
from tests.oracle.ticket import Ticket


class Fairness:
    """Virtual times: of the pool, and of each flow of it that waits or is ahead of the pool."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._pools: dict[tuple[str, int], int] = {}
        self._flows: dict[tuple[str, int], dict[str, int]] = {}
        self.owed: dict[str, dict[str, int]] = {}
        self._last_started: dict[tuple[str, int], int] = {}

    def pool_time(self, pool: str, rank: int) -> int:
        """Where the pool stands. It never goes back."""
        return self._pools.get((pool, rank), 0)

    def ranks(self) -> set[tuple[str, int]]:
        """Every pool and rank that a flow has been seen in."""
        return set(self._flows)

    def last_start(self, pool: str, rank: int) -> int | None:
        """Where the last flow began that had no past."""
        return self._last_started.get((pool, rank))

    def stands(self, pool: str, rank: int, flow: str) -> int | None:
        """Where a flow stands. None: it has nothing waiting and the pool has caught up with it."""
        at = self._flows.get((pool, rank), {}).get(flow)
        if at is None or self._domain.of_flow(pool, flow):
            return at
        return at if at > self.pool_time(pool, rank) else None

    def ready(self, pool: str, rank: int) -> list[tuple[int, str]]:
        """The flows that wait, whoever is next first."""
        flows = self._flows.get((pool, rank), {})
        return sorted((at, flow) for flow, at in flows.items() if self._domain.of_flow(pool, flow))

    def ahead(self, pool: str, rank: int) -> list[tuple[int, str]]:
        """The flows that do not wait and have had more than the pool has given to others."""
        flows = self._flows.get((pool, rank), {})
        now = self.pool_time(pool, rank)
        return sorted(
            (at, flow)
            for flow, at in flows.items()
            if at > now and not self._domain.of_flow(pool, flow)
        )

    def start(self, ticket: Ticket) -> int:
        """Where the flow of this ticket would begin to wait."""
        return self._start(ticket)[0]

    def begin(self, ticket: Ticket) -> None:
        """The flow of this ticket begins to wait: nothing else of it does."""
        pool, rank = ticket.pool, ticket.flow.rank
        at, without_past = self._start(ticket)
        if without_past:
            self._last_started[pool, rank] = at
        self._put(ticket, at)

    def charge(self, ticket: Ticket) -> None:
        """The ticket is dispatched: the pool moves on to where its flow stood, the flow pays."""
        pool, rank, flow = ticket.pool, ticket.flow.rank, ticket.flow
        at = self.stands(pool, rank, flow.id)
        if not self._domain.of_flow(pool, flow.id):
            at = self._bounded(ticket, at)
        assert at is not None
        self._pools[pool, rank] = max(at, self.pool_time(pool, rank))
        self._put(ticket, at + ticket.cost // flow.weight)

    def settle(self, ticket: Ticket, actual: int) -> None:
        """The flow pays what was used instead of what had been predicted."""
        self._shift(ticket, _difference(ticket, actual))

    def pay(self, ticket: Ticket, actual: int) -> None:
        """The same, of a request that has ended: in parts, unless more of its flow waits."""
        owed = self.owed.setdefault(ticket.pool, {})
        total = owed.pop(ticket.flow.id, 0) + _difference(ticket, actual)
        waits = self._domain.of_flow(ticket.pool, ticket.flow.id)
        due = total if waits else total // PART
        if total != due:
            owed[ticket.flow.id] = total - due
        self._shift(ticket, due)

    def _shift(self, ticket: Ticket, delta: int) -> None:
        pool, rank, flow = ticket.pool, ticket.flow.rank, ticket.flow
        at = self.stands(pool, rank, flow.id)
        if at is None:
            at = self.pool_time(pool, rank)
        self._put(ticket, at + delta)

    def _start(self, ticket: Ticket) -> tuple[int, bool]:
        pool, rank = ticket.pool, ticket.flow.rank
        if self.stands(pool, rank, ticket.flow.id) is not None:
            return self._bounded(ticket, self.stands(pool, rank, ticket.flow.id)), False
        now, last = self.pool_time(pool, rank), self.last_start(pool, rank)
        return (last + 1 if last is not None and last >= now else now), True

    def _bounded(self, ticket: Ticket, at: int | None) -> int:
        now = self.pool_time(ticket.pool, ticket.flow.rank)
        if at is None:
            return now
        slots = max(1, self._domain.total_slots(ticket.route))
        return min(at, now + HEAD_START * slots)

    def _put(self, ticket: Ticket, at: int) -> None:
        self._flows.setdefault((ticket.pool, ticket.flow.rank), {})[ticket.flow.id] = at


def _difference(ticket: Ticket, actual: int) -> int:
    """In virtual time, between what a request took and what was predicted."""
    return actual // ticket.flow.weight - ticket.cost // ticket.flow.weight
