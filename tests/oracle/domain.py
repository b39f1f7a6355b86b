"""All that the scheduler knows, and what can be worked out from it."""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.limits import ALIVE
from tests.oracle.ticket import Route, State, Ticket


class Domain:
    """The facts. What changes them by the rules is in the other files of this package."""

    def __init__(self) -> None:
        self.now = 0
        self.fence = 0
        self.fits: dict[str, dict[str, int]] = {}
        """For each runner: what each replica reports."""
        self.runners: set[str] = set()
        self.routes: dict[str, Route] = {}
        self.tickets: dict[str, Ticket] = {}
        self.replicas: dict[str, int] = {}
        """When each last gave a sign of life."""
        self.mail: list[tuple[str, list[str | int]]] = []

    def slots(self, runner: str) -> int:
        """What may be in flight there: the least that a replica reports that can use it."""
        usable = [slots for slots in self.fits.get(runner, {}).values() if slots > 0]
        return min(usable, default=0)

    def fit(self, runner: str, replica: str) -> bool:
        """Whether the replica can use the runner now."""
        return self.fits.get(runner, {}).get(replica, 0) > 0

    def alive(self, replica: str) -> bool:
        """Whether the replica would read an offer."""
        seen = self.replicas.get(replica)
        return seen is not None and self.now - seen <= ALIVE

    def held(self, runner: str) -> list[Ticket]:
        """The leases of a runner, those that end first first."""
        held = [t for t in self.tickets.values() if t.runner == runner]
        return sorted(held, key=lambda t: (t.expires, t.id))

    def free(self, runner: str) -> int:
        """Slots that nobody holds; negative where more is in flight than there should be."""
        return self.slots(runner) - len(self.held(runner))

    def load(self, runner: str) -> int:
        """Predicted slot-time of what is in flight there."""
        return sum(t.cost for t in self.held(runner))

    def waiting(self) -> Iterable[Ticket]:
        """Every ticket that waits."""
        return (t for t in self.tickets.values() if t.state is State.WAITING)

    def line(self, flow: str, route: str) -> list[Ticket]:
        """The tickets of one flow for one route, the next one first."""
        line = [t for t in self.waiting() if t.flow.id == flow and t.route == route]
        return sorted(line, key=lambda t: t.place)

    def of_flow(self, pool: str, flow: str) -> list[Ticket]:
        """What waits of one flow in one pool, in no order."""
        return [t for t in self.waiting() if t.flow.id == flow and t.pool == pool]

    def of_route(self, route: str) -> list[Ticket]:
        """What waits for one route, in no order."""
        return [t for t in self.waiting() if t.route == route]

    def routes_at(self, runner: str) -> list[str]:
        """The routes for which somebody waits who could be served by this runner."""
        waited_for = {t.route for t in self.waiting()}
        return sorted(route for route in waited_for if runner in self.routes[route].runners)

    def total_slots(self, route: str) -> int:
        """What may be in flight on the runners of a route, together."""
        return sum(self.slots(runner) for runner in self.routes[route].runners)
