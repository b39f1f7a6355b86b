"""While it waits a ticket is tested again, and refused once it has become hopeless (rule 9)."""

from __future__ import annotations

from tests.oracle.comeback import Comeback
from tests.oracle.dispatch import Dispatch
from tests.oracle.domain import Domain
from tests.oracle.fairness import Fairness
from tests.oracle.forecast import Outlook, outlook, work_before
from tests.oracle.limits import RETEST_EVERY, RETEST_MOST
from tests.oracle.ticket import Ticket


class Retest:
    """Looks at every line, whoever is served first first, so that each refusal helps the rest."""

    def __init__(
        self, domain: Domain, fairness: Fairness, dispatch: Dispatch, comeback: Comeback
    ) -> None:
        self._domain = domain
        self._fairness = fairness
        self._dispatch = dispatch
        self._comeback = comeback
        self.last: int | None = None
        self._outlooks: dict[str, Outlook | None] = {}

    def run(self) -> None:
        """Look, unless that was done a moment ago."""
        now = self._domain.now
        if self.last is not None and now - self.last < RETEST_EVERY:
            return
        self.last = now
        self._outlooks = {}
        for at, first in self._firsts():
            if first.route not in self._outlooks:
                learnt = self._dispatch.of_pool(first.pool)
                self._outlooks[first.route] = outlook(
                    self._domain, self._fairness, learnt, first.route
                )
            seen = self._outlooks[first.route]
            if seen is not None:
                self._line(first, at, seen)

    def _firsts(self) -> list[tuple[int, Ticket]]:
        """The first ticket of each line, and where its flow stands."""
        firsts: dict[str, Ticket] = {}
        for ticket in sorted(self._domain.waiting(), key=lambda t: t.place):
            firsts.setdefault(f"{ticket.flow.id}:{ticket.route}", ticket)
        ordered = []
        for line, first in firsts.items():
            at = self._fairness.stands(first.pool, first.flow.rank, first.flow.id)
            assert at is not None
            ordered.append((first.flow.rank, at, line, first))
        return [(at, first) for _, at, _, first in sorted(ordered)]

    def _line(self, first: Ticket, at: int, seen: Outlook) -> None:
        line = self._domain.line(first.flow.id, first.route)
        refused = 0
        for place, ticket in enumerate(line[:RETEST_MOST]):
            left = self._domain.line(first.flow.id, first.route)
            ahead = seen.ahead(first.flow, at, work_before(left, place - refused))
            if seen.hopeless(ahead, ticket.latest - self._domain.now):
                self._refuse(ticket, seen.wait(ahead), seen)
                refused += 1

    def _refuse(self, ticket: Ticket, wait: int, seen: Outlook) -> None:
        self._dispatch.drop(ticket)
        for each in self._outlooks.values():
            if each is not None:
                each.without(ticket)
        after = self._comeback.book(ticket, wait, ticket.latest - ticket.since, seen)
        self._domain.mail.append((ticket.replica, ["refused", ticket.id, after, wait]))
