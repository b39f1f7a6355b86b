"""What a replica asks of the scheduler, as values."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.ticket import Flow, Route

Reply = list[object]
"""As the script replies."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a slot; see `operations.submit` of the Lua for the order of its arguments."""

    replica: str
    ticket: str
    route: Route
    flow: Flow
    cost: int
    budget: int
    lead: int
    age: int = 0
    order: int = 0
    most_in_flow: int = 256
    most_in_route: int = 256
    in_order: bool = False
    retry: str = ""
    patience: int = 0
    """How long it may wait if it has come again when it was told to; 0: it has not."""
    books: bool = True
    test: bool = True

    def packed(self) -> list[object]:
        """As the script wants it."""
        route, flow = self.route, self.flow
        return [
            *(self.replica, self.ticket, route.pool, route.id, route.runners),
            *(flow.id, flow.label, flow.rank, flow.weight, self.cost, self.budget, self.lead),
            *(self.age, self.order, self.most_in_flow, self.most_in_route, self.in_order),
            *(self.retry, self.patience, int(self.books), int(self.test)),
        ]


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that a replica says it has."""

    ticket: str
    fence: int
    runner: str
    route: Route
    flow: Flow
    cost: int

    def packed(self) -> list[object]:
        """As the script wants it."""
        route, flow = self.route, self.flow
        return [
            *(self.ticket, self.fence, self.runner, route.pool, route.id),
            *(flow.id, flow.rank, flow.weight, self.cost),
        ]
