"""How long a ticket will wait (rule 8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.oracle.domain import Domain
from tests.oracle.fairness import Fairness
from tests.oracle.learning import Learnt
from tests.oracle.limits import RANKS, RIVALS
from tests.oracle.ticket import Flow, Ticket


@dataclass(slots=True)
class Rival:
    """Another flow of the pool that waits."""

    flow: str
    rank: int
    weight: int
    stands: int
    work: int
    """What of its backlog these slots will have to do."""
    tickets: int

    def goes_before(self, begin: int) -> int:
        """How much of it goes before one who is served at virtual time `begin`: whole tickets."""
        if begin <= self.stands or self.work <= 0:
            return 0
        each = max(1, self.work // self.tickets)
        whole = -(-(begin - self.stands) * self.weight // each)
        return min(self.work, whole * each)


@dataclass(slots=True)
class Outlook:
    """What all tickets of one route have in common."""

    pool: str
    slots: int
    residual: int
    """What is left of one running request, on average."""
    mean: int
    shares: dict[str, float]
    """For each route that wants these runners: which share of its slots they are."""
    rivals: list[Rival]

    def wait(self, ahead: int) -> int:
        """The wait behind so much work."""
        return (self.residual + ahead * self.mean // 1000) // self.slots

    def too_late(self, ahead: int, left: int) -> bool:
        """For a newcomer: a twentieth more, and a third of the rest of what runs, is too much."""
        work = ahead * self.mean // 1000 * 21 // 20 + self.residual // 3
        return work // self.slots > left

    def hopeless(self, ahead: int, left: int) -> bool:
        """For who waits: thirteen twentieths of it are too much."""
        return ahead * self.mean // 1000 * 13 // 20 // self.slots > left

    def ahead(self, flow: Flow, at: int, own_ahead: int) -> int:
        """Work in front of a ticket behind `own_ahead` of its own line, its flow being at `at`."""
        ahead = own_ahead
        begin = at + own_ahead // flow.weight
        for rival in self.rivals:
            if rival.rank < flow.rank:
                ahead += rival.work
            elif rival.rank == flow.rank and rival.flow != flow.id:
                ahead += rival.goes_before(begin)
        return ahead

    def without(self, ticket: Ticket) -> None:
        """A ticket was refused: it is in nobody's way any more."""
        work = math.floor(ticket.cost * self.shares.get(ticket.route, 0))
        for rival in self.rivals if self.pool == ticket.pool else ():
            if rival.flow == ticket.flow.id:
                rival.work = max(0, rival.work - work)
                rival.tickets = max(1, rival.tickets - 1)


def work_before(line: list[Ticket], position: int) -> int:
    """Work in front of a place in a line, taking its tickets for equally long."""
    if not line or position == 0:
        return 0
    return sum(ticket.cost for ticket in line) * position // len(line)


def outlook(
    domain: Domain, fairness: Fairness, learnt: Learnt, route: str, replica: str | None = None
) -> Outlook | None:
    """For tickets of one replica, or of any; None while no runner of the route has slots."""
    ours = [
        runner
        for runner in domain.routes[route].runners
        if domain.slots(runner) > 0 and (replica is None or domain.fit(runner, replica))
    ]
    slots = sum(domain.slots(runner) for runner in ours)
    if slots == 0:
        return None
    busy = sum(len(domain.held(runner)) for runner in ours)
    load = sum(domain.load(runner) for runner in ours)
    residual = (load // busy) * learnt.square // (2 * learnt.mean) if busy else 0
    pool = domain.routes[route].pool
    shares = _shares(domain, pool, ours)
    rivals = [
        _rival(domain, pool, flow, at, rank, shares)
        for rank in RANKS
        for at, flow in fairness.ready(pool, rank)[:RIVALS]
    ]
    return Outlook(pool, slots, residual, learnt.mean, shares, rivals)


def _shares(domain: Domain, pool: str, ours: list[str]) -> dict[str, float]:
    """For each route that wants our runners: which share of its slots is among them."""
    shares = {}
    for route in {route for runner in ours for route in domain.routes_at(runner)}:
        if domain.routes[route].pool == pool:
            common = sum(domain.slots(r) for r in domain.routes[route].runners if r in ours)
            shares[route] = common / domain.total_slots(route)
    return shares


def _rival(
    domain: Domain, pool: str, flow: str, at: int, rank: int, shares: dict[str, float]
) -> Rival:
    work = 0
    for route, share in shares.items():
        work += math.floor(sum(ticket.cost for ticket in domain.line(flow, route)) * share)
    waiting = domain.of_flow(pool, flow)
    return Rival(flow, rank, waiting[0].flow.weight, at, work, len(waiting))
