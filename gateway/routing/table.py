"""Public model names and what they mean. Immutable: a reload makes a new table and swaps it in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

from backends.base import BackendKind, TargetModel
from backends.transport import Timeouts
from gateway.admission import Ticket
from gateway.errors import ModelNotFound
from gateway.routing.runner import Runner

_COMPARED = 8
"""Known names that an unknown one is compared with closely."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a model means on one backend."""

    backend: BackendKind
    runners: tuple[Runner, ...]
    model: TargetModel


@dataclass(frozen=True, slots=True)
class Route:
    """A public model: its targets in the order in which they are tried, and its budgets."""

    model: str
    targets: tuple[Target, ...]
    queue: Ticket
    """The ticket of a request that has just come, with every runner of the first target."""
    timeouts: Timeouts
    """Of a stream: `first_byte_s` is the budget up to the first token, `idle_s` holds after it."""
    plain_timeouts: Timeouts
    """Of a plain reply, which begins only when it is complete: nothing but the total."""
    aliases: tuple[str, ...] = ()
    strict: bool = False
    description: str | None = None


class RouteTable:
    """Finds the route of a model name or alias."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self.routes = tuple(routes)
        self._by_name = {
            name: route for route in self.routes for name in (route.model, *route.aliases)
        }

    def resolve(self, name: str) -> Route:
        """Raises `ModelNotFound`, naming the nearest known names."""
        route = self._by_name.get(name)
        if route is None:
            raise ModelNotFound(self._unknown(name))
        return route

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= 100 else name[:100] + "…"
        message = f"The model '{shown}' does not exist."
        near = self._nearest(name[:100])
        if near:
            return f"{message} Did you mean {_listed(near)}?"
        if self.routes:
            known = [route.model for route in self.routes[:5]]
            return f"{message} Known: {_listed(known)}; GET /v1/models lists all."
        return f"{message} No model is configured or found yet; see 'sluicegate check --live'."

    def _nearest(self, name: str) -> list[str]:
        # A close comparison takes a tenth of a millisecond, in which no stream moves on, and a
        # client may ask for hundreds of wrong names a second. So only a few known ones get it.
        wanted = _pairs(name)

        def likeness(known: str) -> float:
            pairs = _pairs(known)
            return len(wanted & pairs) / (len(wanted) + len(pairs))

        few = {known.casefold(): known for known in nlargest(_COMPARED, self._by_name, likeness)}
        found = difflib.get_close_matches(name.casefold(), few, n=3, cutoff=0.5)
        return [few[each] for each in found]


def _pairs(name: str) -> set[str]:
    edged = f" {name.casefold()} "
    return {edged[at : at + 2] for at in range(len(edged) - 1)}


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
