"""Gates, tickets and waiting callers for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.admission import Lease, LocalGate, Ticket
from gateway.admission.base import PolicyName
from gateway.errors import Overloaded


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_gate(*, max_waiting: int = 1000, clock: Callable[[], float] | None = None) -> LocalGate:
    return LocalGate(max_waiting=max_waiting, clock=clock or asyncio.get_running_loop().time)


def a_ticket(
    *candidates: str,
    wait_s: float = 30.0,
    max_waiting: int = 1000,
    policy: PolicyName = "least_loaded",
) -> Ticket:
    return Ticket("m", candidates or ("a",), wait_s, max_waiting, policy)


async def settle() -> None:
    """Let everything happen that can happen without time going by."""
    for _ in range(20):
        await asyncio.sleep(0)


async def in_line(gate: LocalGate, ticket: Ticket) -> asyncio.Task[Lease]:
    """A task that is waiting for its slot."""
    before = gate.waiting_total
    task = asyncio.create_task(gate.admit(ticket))
    await settle()
    assert gate.waiting_total == before + 1
    return task


async def refused(gate: LocalGate, ticket: Ticket) -> Overloaded:
    with pytest.raises(Overloaded) as caught:
        await gate.admit(ticket)
    return caught.value
