"""Public model names and what they mean. Immutable: a reload makes a new table and swaps it in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from types import MappingProxyType

from backends.base import BackendKind, TargetModel
from backends.transport import Timeouts
from gateway.admission import Ticket
from gateway.errors import ModelNotFound
from gateway.principal import NO_LIMITS, Limits, ServiceClass
from gateway.routing.runner import Runner
from gateway.settings import WaitingSettings

WAITS: Mapping[ServiceClass, float] = MappingProxyType(dict.fromkeys(ServiceClass, 60.0))

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
    waits: Mapping[ServiceClass, float] = field(default_factory=lambda: WAITS)
    """Seconds that a request of each class may wait for a slot."""
    waiting: WaitingSettings | None = None
    """Signs of life for streams that wait, where there are to be any."""
    limits: Limits = NO_LIMITS
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

    def resolve(self, name: str, only: frozenset[str] | None = None) -> Route:
        """Raises `ModelNotFound`, naming the nearest known names.

        With `only`, no other model or alias exists, nor is named: who may not use one shall not
        learn of it either.
        """
        route = self._by_name.get(name)
        if route is None or not _within(only, name, route):
            raise ModelNotFound(self._unknown(name, only))
        return route

    def names(self, only: frozenset[str] | None = None) -> Iterator[tuple[str, Route]]:
        """Every name that `resolve` would know, each model's own before its aliases."""
        for name, route in self._by_name.items():
            if _within(only, name, route):
                yield name, route

    def _unknown(self, name: str, only: frozenset[str] | None) -> str:
        shown = name if len(name) <= 100 else name[:100] + "…"
        message = f"The model '{shown}' does not exist."
        known = [each for each, _ in self.names(only)]
        near = _nearest(name[:100], known)
        if near:
            return f"{message} Did you mean {_listed(near)}?"
        if known:
            models = [each for each, route in self.names(only) if each == route.model] or known
            return f"{message} Known: {_listed(models[:5])}; GET /v1/models lists all."
        if self.routes:
            return f"{message} The key may use none that is offered now."
        return f"{message} No model is configured or found yet; see 'sluicegate check --live'."


def _within(only: frozenset[str] | None, name: str, route: Route) -> bool:
    return only is None or name in only or route.model in only


def _nearest(name: str, known: list[str]) -> list[str]:
    # A close comparison takes a tenth of a millisecond, in which no stream moves on, and a client
    # may ask for hundreds of wrong names a second. So only a few known ones get it.
    wanted = _pairs(name)

    def likeness(one: str) -> float:
        pairs = _pairs(one)
        return len(wanted & pairs) / (len(wanted) + len(pairs))

    few = {one.casefold(): one for one in nlargest(_COMPARED, known, likeness)}
    found = difflib.get_close_matches(name.casefold(), few, n=3, cutoff=0.5)
    return [few[each] for each in found]


def _pairs(name: str) -> set[str]:
    edged = f" {name.casefold()} "
    return {edged[at : at + 2] for at in range(len(edged) - 1)}


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
