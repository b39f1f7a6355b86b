"""Flows that always have something waiting, and requests that take exactly as long as they do."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable

from tests.gateway.admission.store_queue import StoreQueue
from tests.oracle.ticket import Flow

SECOND = 1_000_000
MONTH = 30 * 24 * 3600 * SECOND


class Crowd:
    """Runs requests one after another in virtual time; `served` counts slot-time for each flow."""

    def __init__(self, queue: StoreQueue, cost: Callable[[Flow], int]) -> None:
        self.queue = queue
        self.served: Counter[str] = Counter()
        self.dispatched: list[tuple[int, str, int]] = []
        """When, which flow, and how long it has waited."""
        self.widest_gap = 0
        """The largest difference so far between what two flows were given."""
        self._cost = cost
        self._ends: list[tuple[int, str, int]] = []
        self._came: dict[str, tuple[Flow, int, int, bool]] = {}
        self._read = 0

    def come(self, flow: Flow, *, again: bool = True) -> str:
        """A request of that flow; with `again` its flow brings another when this one starts."""
        cost = self._cost(flow)
        ticket, reply = self.queue.submit(flow, cost=cost, budget=MONTH, lead=MONTH, test=False)
        self._came[ticket] = flow, cost, self.queue.now, again
        if reply[0] == "granted":
            self._start(ticket, reply[2])
        return ticket

    def run(self, dispatches: int) -> None:
        """Go on until so many requests have been dispatched in all."""
        while len(self.dispatched) < dispatches:
            self.advance(self._ends[0][0])
            _, ticket, fence = heapq.heappop(self._ends)
            assert self.queue.finish(ticket, fence, self._came[ticket][1]) == "finished"
            self._read_offers()

    def count_anew(self, *flows: Flow) -> None:
        """Forget what these were given so far."""
        self.served = Counter({flow.id: 0 for flow in flows})
        self.widest_gap = 0

    def advance(self, to: int) -> None:
        """Let time pass, with a sign of life every two seconds that keeps the leases."""
        while self.queue.now < to:
            self.queue.now = min(to, self.queue.now + 2 * SECOND)
            self.queue.sync("R1", held=[(ticket, fence) for _, ticket, fence in self._ends])
            self._read_offers()

    def _read_offers(self) -> None:
        while self._read < len(self.queue.offers):
            ticket, _, fence = self.queue.offers[self._read]
            self._read += 1
            self._start(ticket, fence)

    def _start(self, ticket: str, fence: int) -> None:
        flow, cost, since, again = self._came[ticket]
        now = self.queue.now
        heapq.heappush(self._ends, (now + cost, ticket, fence))
        self.served[flow.id] += cost
        self.dispatched.append((now, flow.id, now - since))
        self.widest_gap = max(
            self.widest_gap, max(self.served.values()) - min(self.served.values())
        )
        if again:
            self.come(flow)
