"""The tickets of this replica that wait in the store, by id, and the letters that come for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gateway.admission.scheduler import Granted, Refused
from gateway.admission.waiting import Waiting

MOST_EARLY = 256
"""Letters kept that nobody here waits for yet."""


class WaitingRoom:
    """Hands each letter to whoever waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._early: dict[str, Granted | Refused] = {}
        self._unclaimed: set[str] = set()

    @contextlib.contextmanager
    def entered(self, waiting: Waiting) -> Iterator[None]:
        """Letters for this ticket are welcome while the block runs; one may be here already."""
        self._waiting[waiting.id] = waiting
        early = self._early.pop(waiting.id, None)
        if early is not None:
            waiting.end(early)
        try:
            yield
        finally:
            self._waiting.pop(waiting.id, None)

    def end(self, id: str, outcome: Granted | Refused) -> None:
        """A letter says what has become of a ticket."""
        waiting = self._waiting.get(id)
        if waiting is not None:
            waiting.end(outcome)
            return
        # It may overtake the answer that the ticket waits.
        self._early[id] = outcome
        if len(self._early) > MOST_EARLY:
            del self._early[next(iter(self._early))]

    def unclaimed(self) -> list[str]:
        """Tickets whose letters were here at the last call too, and that nobody has come for."""
        late = [id for id in self._unclaimed if id in self._early]
        for id in late:
            del self._early[id]
        self._unclaimed = set(self._early)
        return late

    @property
    def empty(self) -> bool:
        """Whether nobody waits here."""
        return not self._waiting

    def get(self, id: str) -> Waiting | None:
        """The ticket of that id, if it is here."""
        return self._waiting.get(id)

    def queued(self) -> list[Waiting]:
        """Those that the store has given a place."""
        return [waiting for waiting in self._waiting.values() if waiting.queued]

    def count(self, runner: str) -> int:
        """How many could be served by a runner; those that have moved on are counted there."""
        return sum(
            waiting.queued and not waiting.outcome.done() and runner in waiting.ticket.candidates
            for waiting in self._waiting.values()
        )
