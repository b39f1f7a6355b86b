"""Virtual time: a replica in front of one runner, whose slots the real scheduler gives out.

The replica does what the gateway does (submits, confirms, renews, expires, finishes) and takes no
time for it, so that what is measured is the policy alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.eval.service import SECOND
from tests.eval.virtual_store import VirtualStore

REPLICA, RUNNER, POOL, ROUTE = "replica", "runner", "pool", "route"
SYNC_US = 4 * SECOND
"""Half as often as the gateway: often enough to confirm an offer and to renew a lease in time."""
PUMP_US = SECOND
PATIENCE = 3
"""As the gateway has it, without a time-out of the client's that would bound it."""
BEGIN_US = 1_000 * SECOND


@dataclass(slots=True, eq=False)
class Request:
    """One attempt of a client, and what became of it. Times are microseconds of the simulation."""

    service_us: int
    cost_us: int
    """What the gateway takes its service time to be."""
    budget_us: int
    flow: str = "flow"
    weight: int = 1
    rank: int = 1
    body: str = ""
    """Same body, same request: how a retry is recognised."""
    attempt: int = 0
    arrived: int = 0
    latest: int = 0
    started: int | None = None
    ended: int | None = None
    refused: int | None = None
    reason: str = ""
    retry_after_us: int = 0
    predicted: tuple[int, int] | None = None
    """Median and 90 % quantile of the wait, as told when it was queued."""

    @property
    def waited(self) -> int:
        """From its arrival until it was dispatched or refused."""
        until = self.started if self.started is not None else self.refused
        assert until is not None, "it is still waiting"
        return until - self.arrived


Listener = Callable[[Request], None]


def ignore(_: Request) -> None:
    """For whoever does not care."""


@dataclass(slots=True)
class Simulation:
    """Events in order of time. `on_end` and `on_refused` are the clients' next moves."""

    store: VirtualStore
    slots: int
    most_in_flow: int = 100_000
    most_in_route: int = 100_000
    on_start: Listener = ignore
    on_end: Listener = ignore
    on_refused: Listener = ignore
    now: int = BEGIN_US
    requests: list[Request] = field(default_factory=list)
    busy_us: int = 0
    _events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = field(
        default_factory=list
    )
    _number: int = 0
    _waiting: dict[str, Request] = field(default_factory=dict)
    _running: dict[str, tuple[Request, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.flush()
        self._sync()
        self._pump()

    def at(self, when: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do something later. What is due at the same time happens in the order of these calls."""
        self._number += 1
        heapq.heappush(self._events, (when, self._number, action, arguments))

    def run(self, until_us: int) -> None:
        """Let the time pass."""
        while self._events and self._events[0][0] <= until_us:
            self.now, _, action, arguments = heapq.heappop(self._events)
            action(*arguments)
        self.now = until_us

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._waiting)

    def submit(self, request: Request) -> None:
        """A client sends a request now."""
        self._number += 1
        ticket = f"ticket.{self._number}"
        request.arrived, request.latest = self.now, self.now + request.budget_us
        self.requests.append(request)
        reply = self.store.call(
            self.now,
            "submit",
            *(REPLICA, ticket, POOL, ROUTE, [RUNNER], request.flow, request.flow),
            *(request.rank, request.weight, request.cost_us, request.budget_us, request.budget_us),
            *(0, 0, self.most_in_flow, self.most_in_route, 0),
            *(request.body, PATIENCE * request.budget_us if request.attempt else 0, 1, 1),
        )
        self._answer(ticket, request, reply)

    def _answer(self, ticket: str, request: Request, reply: list[Any]) -> None:
        kind = reply[0]
        if kind == b"granted":
            self._start(ticket, request, reply[2])
        elif kind == b"queued":
            request.predicted = (reply[2], reply[3])
            request.latest = reply[4]
            self._waiting[ticket] = request
            self.at(request.latest, self._expire, ticket)
        else:
            self._refuse(request, reply[1].decode(), reply[2])

    def _start(self, ticket: str, request: Request, fence: int) -> None:
        request.started = self.now
        self._running[ticket] = (request, fence)
        self.at(self.now + request.service_us, self._end, ticket)
        self.on_start(request)

    def _end(self, ticket: str) -> None:
        request, fence = self._running.pop(ticket)
        request.ended = self.now
        self.busy_us += request.service_us
        self.store.call(self.now, "finish", ticket, fence, request.service_us, 1)
        self._read_mail()
        self.on_end(request)

    def _expire(self, ticket: str) -> None:
        request = self._waiting.pop(ticket, None)
        if request is not None:
            _, after = self.store.call(self.now, "cancel", ticket, 1)
            self._refuse(request, "expired", after)

    def _refuse(self, request: Request, reason: str, after: int) -> None:
        request.refused, request.reason, request.retry_after_us = self.now, reason, after
        self.on_refused(request)

    def _read_mail(self) -> None:
        if not self._waiting:
            return
        for kind, ticket, *rest in self.store.mail(REPLICA):
            request = self._waiting.pop(ticket)
            if kind == "offer":
                self._start(ticket, request, rest[1])
            else:
                self._refuse(request, "hopeless", rest[0])

    def _sync(self) -> None:
        held = [
            [ticket, fence, RUNNER, POOL, ROUTE, r.flow, r.rank, r.weight, r.cost_us]
            for ticket, (r, fence) in self._running.items()
        ]
        _, _, lost, unknown, offers = self.store.call(
            self.now, "sync", REPLICA, [RUNNER, self.slots], held, list(self._waiting)
        )
        assert not lost, "the scheduler has lost what it held"
        assert not unknown, "the scheduler has forgotten who waits"
        self._read_mail()
        assert all(offer[0].decode() in self._running for offer in offers)
        self.at(self.now + SYNC_US, self._sync)

    def _pump(self) -> None:
        if self._waiting:
            self.store.call(self.now, "pump")
            self._read_mail()
        self.at(self.now + PUMP_US, self._pump)
