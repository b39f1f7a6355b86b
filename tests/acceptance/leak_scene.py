"""A gateway before a runner that does as it is told, and what a request may leave behind there."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.exchange import Exchange
from tests.acceptance.callers import ALL_LIMITS, bearer, listed, listed_key
from tests.acceptance.departure import fact
from tests.acceptance.endpoints import FORMS, Form
from tests.acceptance.gateway_here import Here
from tests.acceptance.held import Charged, held, leases
from tests.acceptance.raw_http import Connection, connection
from tests.acceptance.scripted import Actor
from tests.fakes.bad_peer import Wire
from tests.fakes.stores import Server

KEYS = listed(listed_key("counted", limits=ALL_LIMITS), listed_key("other"))
PIECES = 3
"""Pieces of text after which a stream is cut."""
NOTHING = Charged(0, 0)


class Worker(Actor):
    """A script that can be changed, and knows on how many requests it works."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0

    async def __call__(self, wire: Wire) -> None:
        self.running += 1
        try:
            await super().__call__(wire)
        finally:
            self.running -= 1


async def stalls(wire: Wire) -> None:
    """A script that never says a word."""
    await wire.gone()


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway, its runner and their store."""

    here: Here
    worker: Worker
    store: Server

    @asynccontextmanager
    async def asked(
        self, form: Form, model: str = "demo", **more: str
    ) -> AsyncIterator[Connection]:
        """A request of the key whose charges are counted."""
        async with connection(self.here.port) as wire:
            await wire.send(form.asked(model, authorization=bearer("counted"), **more))
            yield wire

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """The only slot is taken by somebody else's request, which does not end by itself."""
        self.worker.script = stalls
        async with connection(self.here.port) as wire:
            await wire.send(FORMS[0].asked(authorization=bearer("other")))
            await fact(lambda: self.worker.running == 1)
            assert leases(self.store) == 1
            yield

    async def at_rest(self) -> None:
        """Wait until nothing runs, nobody waits and nothing is held."""
        here = self.here
        await fact(lambda: here.in_flight() == here.waiting() == self.worker.running == 0)
        await fact(lambda: here.gateway.handler.active == 0)
        await fact(lambda: held(self.store) == {})


def of_prompt(form: Form) -> Charged:
    """The prompt, as it is estimated from its bytes."""
    return Charged(1, form.size() // 4)


def of_half(form: Form) -> Charged:
    """The prompt, and the pieces of text that came."""
    return Charged(1, form.size() // 4 + (PIECES if form.stream else 0))


async def read_half(form: Form, wire: Connection) -> None:
    """Read what comes of an answer that stops in the middle."""
    assert (await wire.head())[0] == 200
    if form.stream:
        seen = 0
        async for piece in wire.pieces():
            seen += piece.count(b"Yes.")
            if seen == PIECES:
                return


async def ended_since(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until no task is left that was not there before, but those that look at runners."""
    await fact(lambda: all("_keep_probing" in str(task) for task in asyncio.all_tasks() - tasks))


@contextmanager
def nothing_for_the_garbage_collector() -> Iterator[Callable[[], bool]]:
    """Whether every request that has ended since is gone, while no garbage is collected."""

    def alive() -> int:
        return sum(isinstance(each, Exchange) for each in gc.get_objects())

    gc.disable()
    try:
        before = alive()
        yield lambda: alive() <= before
    finally:
        gc.enable()
