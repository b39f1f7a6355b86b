"""A request as the scheduler knows it, from its coming to the end of its lease."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where a ticket stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Route:
    """A set of runners, in the operator's order, and the pool it belongs to."""

    id: str
    pool: str
    runners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Tenant x class. Lower ranks go strictly first; weights share out what is left."""

    id: str
    rank: int
    weight: int
    label: str = ""


@dataclass(slots=True, eq=False)
class Ticket:
    """One request. Times are absolute, on the store's clock."""

    id: str
    route: str
    pool: str
    flow: Flow
    cost: int
    order: int
    """Its place in its line; the least goes first."""
    since: int
    latest: int
    """After this it may not be dispatched."""
    replica: str
    retry: str = ""
    """By what it is recognised when it comes again; empty: not at all."""
    books: bool = False
    """Whether its refusal books a place for its return."""
    predicted: int = 0
    state: State = State.WAITING
    runner: str = ""
    fence: int = 0
    granted: int = 0
    expires: int = 0

    @property
    def place(self) -> tuple[int, str]:
        """By what the tickets of a line, and of a flow, are sorted."""
        return self.order, self.id
