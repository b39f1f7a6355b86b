"""The gate under random traffic."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.admission import Lease
from tests.gateway.admission.gates import a_gate, a_ticket

pytestmark = pytest.mark.anyio


class Crowd:
    """Callers who come, leave, hold slots and give them back at random, several in one turn."""

    runners = ("a", "b")

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.gate = a_gate(max_waiting=20)
        self.tasks: list[asyncio.Task[Lease]] = []
        self.slots = dict.fromkeys(self.runners, 0)
        self.most = dict.fromkeys(self.runners, 0)
        """Slots, or what was in flight when they were lowered."""

    def ask(self) -> None:
        wanted = self.chance.choice([("a",), ("b",), ("a", "b"), ("b", "a")])
        ticket = a_ticket(*wanted, wait_s=self.chance.choice([0.0, 30.0]))
        self.tasks.append(asyncio.create_task(self.gate.admit(ticket)))

    def leave(self) -> None:
        if self.tasks:
            self.chance.choice(self.tasks).cancel()

    def release(self) -> None:
        if held := self.leases():
            self.chance.choice(held).release()

    def change_slots(self) -> None:
        self.set_slots(self.chance.choice(self.runners), self.chance.randint(0, 3))

    def set_slots(self, name: str, slots: int) -> None:
        self.slots[name] = slots
        self.most[name] = max(self.gate.in_flight(name), slots)
        self.gate.set_slots(name, slots)

    def leases(self) -> list[Lease]:
        """Every lease there was; releasing one again does nothing."""
        done = [task for task in self.tasks if task.done() and not task.cancelled()]
        return [task.result() for task in done if task.exception() is None]

    def check(self) -> None:
        for name in self.runners:
            in_flight = self.gate.in_flight(name)
            assert in_flight <= self.most[name]
            # No lost wake-up: whoever waits does so because every slot is taken.
            assert not self.gate.waiting(name) or in_flight >= self.slots[name]

    async def end(self) -> None:
        """Give every slot back until everybody has had one."""
        for name in self.runners:
            self.set_slots(name, 2)
        for _ in range(1000):
            for lease in self.leases():
                lease.release()
            if all(task.done() for task in self.tasks):
                break
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(40))
async def test_no_slot_is_lost_or_granted_twice_whatever_happens(seed: int) -> None:
    crowd = Crowd(seed)
    events = [crowd.ask, crowd.ask, crowd.leave, crowd.release, crowd.change_slots, None]
    for _ in range(150):
        event = crowd.chance.choice(events)
        if event is None:
            await asyncio.sleep(0)
        else:
            event()
        crowd.check()
    await crowd.end()
    gate = crowd.gate
    assert all(task.done() for task in crowd.tasks)
    assert [gate.in_flight(name) for name in crowd.runners] == [0, 0]
    assert [gate.waiting(name) for name in crowd.runners] == [0, 0]
    assert gate.waiting_total == 0
    assert not gate._futures
