"""The interface between a request and the slots of the runners.

Rules that every implementation keeps: never more leases on a runner than it has slots; waiting is
bounded in time and number; a ticket that was given up is never granted; a lease is released exactly
once, and at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, Protocol

from msgspec import Struct

from gateway.admission.flow import NOBODY, Flow

PolicyName = Literal["least_loaded", "ordered"]
"""How a runner is chosen when several have a free slot: the least busy, or the first listed."""

UNKNOWN_COST_S = 2.0
"""Predicted slot-time of a request of which nothing is known yet."""


class Progress:
    """What a ticket that waits may tell its caller. Kept current by whoever holds the queue."""

    __slots__ = ("ahead", "predicted_s")

    def __init__(self) -> None:
        self.ahead: int | None = None
        """Tickets of the same line in front of it; None while it does not wait."""
        self.predicted_s: float | None = None
        """Predicted wait, counted from its submission."""


class Ticket(Struct, frozen=True, gc=False):
    """One request that wants a slot on one of `candidates`."""

    model: str
    candidates: tuple[str, ...]
    """Names of runners, in the operator's order."""
    wait_s: float
    """How long it may wait from now on."""
    max_waiting: int
    """How many tickets of this model may wait at the same time."""
    policy: PolicyName = "least_loaded"
    flow: Flow = NOBODY
    """In whose name it waits."""
    cost_s: float = UNKNOWN_COST_S
    """Predicted slot-time."""
    lead_s: float = 60.0
    """Latest start it wants, counted from its arrival: the order within its flow."""
    retry: str = ""
    """Tells this request from others when it comes again; letters and digits of our own making."""
    patience_s: float = 0.0
    """How long it may wait instead of `wait_s` if it was refused before and has come again when it
    was told to; 0 if it does not say that it was refused before."""
    last_resort: bool = True
    """Nothing else will be tried for it: a refusal gives it a time to come again."""
    progress: Progress | None = None
    permit: Callable[[], Awaitable[None] | None] | None = None
    """Called once the store has answered for the first time: raises, at once or when what it
    returns is awaited, where the request must not go on, and the ticket is then given up."""


class Lease(Protocol):
    """A slot held by one request, until the last byte."""

    runner: str

    def release(self, *, served: bool = True) -> None:
        """Give the slot back. Idempotent, synchronous, never raises.

        Not `served` means that the request did not come to its end, so that nothing can be learnt
        from how long it took.
        """
        ...


class Admission(Protocol):
    """Hands out slots."""

    async def admit(self, ticket: Ticket) -> Lease:
        """Wait for a slot.

        Raises `Overloaded` when the queue is full, the wait ran out or is predicted to. Cancelling
        it removes the ticket at once; a slot granted in the same instant goes to the next in line.
        """
        ...

    def know(self, runner: str, identity: str) -> None:
        """Say which process a runner's name means: the same identity is the same process, in every
        replica and under every name. Needed before its slots are set."""
        ...

    def connect(self, routes: Iterable[tuple[str, ...]]) -> None:
        """Say which runners serve together: the candidates of every target that exists."""
        ...

    def set_slots(self, runner: str, slots: int) -> None:
        """Say how many slots a runner has now; 0 while it cannot take requests.

        Lowering it takes nothing away from requests that run.
        """
        ...

    def forget(self, runner: str) -> None:
        """The runner is gone from the configuration; tickets for it alone keep waiting."""
        ...

    def in_flight(self, runner: str) -> int:
        """Leases that this replica holds on a runner."""
        ...

    def waiting(self, runner: str) -> int:
        """Tickets of this replica that this runner could serve."""
        ...
