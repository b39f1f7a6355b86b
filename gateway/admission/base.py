"""The interface between a request and the slots of the runners.

Rules that every implementation keeps: never more leases on a runner than it has slots; first come,
first served among the tickets of one runner; waiting is bounded in time and number; a ticket that
was given up is never granted; a lease is released exactly once, and at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

PolicyName = Literal["least_loaded", "ordered"]
"""How a runner is chosen when several have a free slot: the least busy, or the first listed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request that wants a slot on one of `candidates`."""

    model: str
    candidates: tuple[str, ...]
    """Names of runners, in the operator's order."""
    wait_s: float
    """How long it may wait from now on."""
    max_waiting: int
    """How many tickets of this model may wait at the same time."""
    policy: PolicyName = "least_loaded"


class Lease(Protocol):
    """A slot held by one request, until the last byte."""

    runner: str

    def release(self) -> None:
        """Give the slot back. Idempotent, synchronous, never raises."""
        ...


class Admission(Protocol):
    """Hands out slots."""

    async def admit(self, ticket: Ticket) -> Lease:
        """Wait for a slot.

        Raises `Overloaded` when the queue is full or the wait ran out. Cancelling it removes the
        ticket at once; a slot granted in the same instant goes to the next in line.
        """
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
        """Leases held on a runner."""
        ...

    def waiting(self, runner: str) -> int:
        """Tickets that this runner could serve."""
        ...
