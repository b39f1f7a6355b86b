"""Replicas that share one real store, and what their tests need of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.admission import Lease, LocalGate, SharedGate, Ticket
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer


class Stand:
    """A store with any number of replicas on it."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.gates: list[SharedGate] = []
        self.stores: list[Store] = []

    async def replica(self, slots: int = 1, *, closed: bool = False) -> SharedGate:
        """One more replica, for which runner `a` has so many slots."""
        store = Store(self.server.endpoint(), deadline_s=2.0)
        await store.open()
        local = LocalGate(max_waiting=1000, clock=time.monotonic)
        gate = SharedGate(
            store,
            most_in_flow=256,
            local=local,
            clock=time.monotonic,
            closed=closed,
        )
        self.stores.append(store)
        self.gates.append(gate)
        gate.know("a", "http://runner-a")
        gate.connect([("a",)])
        await gate.start()
        gate.set_slots("a", slots)
        return gate

    async def size(self, key: str) -> int:
        """How many members a key of the scheduler has."""
        store = self.stores[0].redis
        kind = await store.type(f"{{sg:default}}:{key}")
        full = f"{{sg:default}}:{key}"
        if kind == b"zset":
            return int(await store.zcard(full))
        return int(await store.hlen(full)) if kind == b"hash" else 0

    async def in_flight(self) -> int:
        """Leases on runner `a`, over all replicas."""
        return await self.size("lease:" + self.gates[0].topology.id("a"))

    async def left_over(self) -> dict[str, int]:
        """What is still kept of tickets; nothing once all have ended."""
        keys = ("t", "dead", "work", "load", "count")
        sizes = {key: await self.size(key) for key in keys}
        return {key: size for key, size in sizes.items() if size}


@asynccontextmanager
async def stand_on(server: EmbeddedServer) -> AsyncIterator[Stand]:
    stand = Stand(server)
    try:
        yield stand
    finally:
        for gate in stand.gates:
            await gate.aclose()
        for store in stand.stores:
            await store.aclose()


def queue_up(gate: SharedGate, ticket: Ticket, number: int) -> list[asyncio.Task[Lease]]:
    """So many callers in line."""
    return [asyncio.create_task(gate.admit(ticket)) for _ in range(number)]
