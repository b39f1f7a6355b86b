"""What runners are called in the store, and which of them belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where tickets of one set of candidates wait; ids as in DESIGN.md."""

    pool: str
    route: str
    runners: tuple[str, ...]


class Topology:
    """Maps the names of one configuration to ids that all replicas share.

    The id of a runner is made from its identity alone, so that two names, or two replicas with
    different configurations, mean the same slots.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._pools: dict[str, str] = {}
        self._places: dict[tuple[str, ...], Place] = {}

    def know(self, runner: str, identity: str) -> None:
        """A runner's name means the process of that identity."""
        self._ids[runner] = _hex(identity)
        self._names = {id: name for name, id in self._ids.items()}
        self._places.clear()

    def forget(self, runner: str) -> None:
        """The name means nothing any more."""
        self._ids.pop(runner, None)
        self._names = {id: name for name, id in self._ids.items()}
        self._places.clear()

    def connect(self, routes: Iterable[tuple[str, ...]]) -> None:
        """Runners of one route, and whatever shares a runner with it, are one pool. It is named
        after the least of its runners, so that it keeps its name while others come and go."""
        pools: dict[str, set[str]] = {}
        for route in routes:
            joined = {self.id(runner) for runner in route}
            for each in tuple(joined):
                joined |= pools.get(each, set())
            for each in joined:
                pools[each] = joined
        self._pools = {runner: min(joined) for runner, joined in pools.items()}
        self._places.clear()

    def id(self, runner: str) -> str:
        """The id of a runner; one that nobody made known stands for itself."""
        return self._ids.get(runner) or _hex(runner)

    def name(self, id: str) -> str | None:
        """The name of a runner here, None if it has none."""
        return self._names.get(id)

    def names(self, id: str) -> tuple[str, ...]:
        """Every name that a runner has here: two may mean one process."""
        names = tuple(name for name, known in self._ids.items() if known == id)
        former = self.name(id)
        return names or (() if former is None else (former,))

    def place(self, candidates: tuple[str, ...]) -> Place:
        """Where tickets for these candidates wait."""
        place = self._places.get(candidates)
        if place is None:
            ids = tuple(self.id(runner) for runner in candidates)
            pool = self._pools.get(ids[0], ids[0])
            # With the pool: to the store, what a route's id means never changes.
            place = self._places[candidates] = Place(pool, _hex(",".join((pool, *ids))), ids)
        return place


def _hex(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
