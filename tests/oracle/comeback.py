"""When a refused caller should come again, and what that is worth to it (rule 10)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.domain import Domain
from tests.oracle.forecast import Outlook
from tests.oracle.limits import (
    LEAST_RETRY,
    MOST_RETRY,
    RETRIES_CLEARED_AT_ONCE,
    RETRIES_KEPT,
    RETRY_KEPT,
)
from tests.oracle.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Promise:
    """Whoever comes again from `due` on, keeps `order`."""

    order: int
    due: int
    expires: int


class Comeback:
    """A paced line of places outside the door, for each pool and rank."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.last_places: dict[tuple[str, int], int] = {}
        self.promises: dict[str, Promise] = {}

    def book(self, ticket: Ticket, wait: int, budget: int, outlook: Outlook | None) -> int:
        """The next place, as the time until then; the one after it is a service time later."""
        if not ticket.books:
            return 0
        now = self._domain.now
        mean, slots = (outlook.mean, outlook.slots) if outlook else (1000, 1)
        gap = ticket.cost * mean // 1000 // slots
        key = ticket.pool, ticket.flow.rank
        place = max(now + wait - budget // 2, now, self.last_places.get(key, 0)) + gap
        place = max(now + LEAST_RETRY, min(now + MOST_RETRY, place))
        self.last_places[key] = place
        if ticket.retry and len(self.promises) < RETRIES_KEPT:
            due = now + (place - now) * 9 // 10
            self.promises[ticket.retry] = Promise(ticket.order, due, now + RETRY_KEPT)
        return place - now

    def keep(self, ticket: Ticket, patience: int) -> None:
        """One who has come again when it was told to has its old order, and more time to wait."""
        self.clear()
        promise = self.promises.get(ticket.retry)
        if promise is not None and self._domain.now >= promise.due:
            ticket.order = min(ticket.order, promise.order)
            ticket.latest = max(ticket.latest, ticket.since + patience)

    def kept(self, retry: str) -> None:
        """It has a place, or a slot, now."""
        self.promises.pop(retry, None)

    def clear(self) -> None:
        """Forget whoever has not come again for so long."""
        over = [
            (promise.expires, retry)
            for retry, promise in self.promises.items()
            if promise.expires <= self._domain.now
        ]
        for _, retry in sorted(over)[:RETRIES_CLEARED_AT_ONCE]:
            self.kept(retry)
