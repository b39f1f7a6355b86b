"""The lines to all servers of a store, and which of them a key goes over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection

from gateway.store.endpoint import Endpoint, closed_on_error
from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.line import RETRY_S, Line
from gateway.store.pipeline import Pipeline
from gateway.store.topology import SLOTS, WHOLE, Node, Topology, slot_of

logger = logging.getLogger(__name__)

Inspect = Callable[[AbstractConnection, bool], Awaitable[None]]
"""Looks at a new connection, and knows whether it leads home. Raises `StoreDown`."""


class Lines:
    """One line where there is one server; in a cluster one to each master, which may change.

    `home` is a key: the store is up while the server that has it can be called. A cluster is asked
    for its nodes again whenever one is lost or says that it does not have a key, at most once a
    second.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        deadline_s: float,
        home: bytes,
        inspect: Inspect | None,
        on_change: Callable[[bool], None],
    ) -> None:
        self.only: Line | None = None
        """The line, where there is only one server."""
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._home_slot = slot_of(home)
        self._inspect = inspect
        self._on_change = on_change
        self._by_node: dict[Node, Line] = {}
        self._by_slot: list[Line | None] = []
        self._home: Line | None = None
        self._failure = StoreDown("not connected yet")
        self._was_up = False
        self._kept = False
        self._stale = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether the server with the home keys can be called."""
        return self._home is not None and self._home.pipeline is not None

    @property
    def failure(self) -> StoreDown:
        """Why it cannot, or could not last."""
        return self._failure if self._home is None else self._home.failure

    def of_key(self, key: bytes) -> Line | None:
        """The line to the server that has the key, as far as that is known."""
        return self._by_slot[slot_of(key)] if self._by_slot else None

    def pipelines(self) -> list[Pipeline]:
        """The open connections."""
        lines = self._by_node.values()
        return [line.pipeline for line in lines if line.pipeline is not None]

    async def home_connection(self) -> AbstractConnection:
        """One more connection to where the home keys are. Raises `StoreDown`."""
        node = next((node for node, line in self._by_node.items() if line is self._home), None)
        if node is None:
            raise StoreDown(str(self.failure))
        try:
            async with asyncio.timeout(self._endpoint.connect_s):
                return await self._endpoint.connection(node)
        except TimeoutError as error:
            raise StoreDown("connecting took too long") from error

    async def open(self) -> None:
        """Connect to every server. Raises `StoreDown` if home is not reached."""
        await self._lay(await self._ask())
        lines = tuple(self._by_node.values())
        failures = await asyncio.gather(*(line.connect() for line in lines), return_exceptions=True)
        for line, failure in zip(lines, failures, strict=True):
            if failure and (line is self._home or not isinstance(failure, StoreDown)):
                raise failure
            if isinstance(failure, StoreUnfit):
                raise failure
        if self._home is None:
            raise self._failure
        self.keep()

    def keep(self) -> None:
        """From now on mend what breaks, also what could not be opened."""
        self._kept = True
        for line in self._by_node.values():
            line.keep()
        if self.only is None:
            if not self._by_node:
                self._stale.set()
            self._following = asyncio.create_task(self._follow(), name="store topology")

    async def aclose(self) -> None:
        """Close every line. Idempotent."""
        task, self._following = self._following, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        for line in self._by_node.values():
            await line.aclose()

    async def _ask(self) -> Topology:
        try:
            async with asyncio.timeout(self._endpoint.connect_s):
                return await self._endpoint.topology()
        except TimeoutError as error:
            raise StoreDown("no node of the cluster answered in time") from error

    async def _lay(self, topology: Topology) -> None:
        """Have a line to each node, and none to any other."""
        former = {n: line for n, line in self._by_node.items() if n not in topology.nodes}
        self._by_node = {
            node: self._by_node.get(node) or self._line(node) for node in topology.nodes
        }
        home = topology.node_of(self._home_slot)
        self._home = None if home is None else self._by_node[home]
        if home is None:
            self._failure = StoreDown(f"no node of the cluster serves slot {self._home_slot}")
        if topology is WHOLE:
            self.only = self._home
        else:
            self._by_slot = [None] * SLOTS
            for first, last, node in topology.ranges:
                self._by_slot[first : last + 1] = [self._by_node[node]] * (last + 1 - first)
        self._compare()
        for line in former.values():
            await line.aclose()

    def _line(self, node: Node) -> Line:
        line = Line(
            ":".join(map(str, node)) if node[0] else "store",
            lambda: self._dial(node),
            deadline_s=self._deadline_s,
            on_change=self._changed,
            on_moved=self._stale.set,
        )
        if self._kept:
            line.keep()
        return line

    async def _dial(self, node: Node) -> AbstractConnection:
        try:
            async with asyncio.timeout(self._endpoint.connect_s):
                connection = await self._endpoint.connection(node)
                if self._inspect is not None:
                    async with closed_on_error(connection):
                        await self._inspect(connection, self._is_home(node))
                return connection
        except TimeoutError as error:
            raise StoreDown("connecting took too long") from error

    def _is_home(self, node: Node) -> bool:
        return self._by_node.get(node) is self._home

    def _changed(self, line: Line) -> None:
        if line.pipeline is None and line in self._by_node.values():
            self._stale.set()
        self._compare()

    def _compare(self) -> None:
        if self.up is not self._was_up:
            self._was_up = self.up
            self._on_change(self.up)

    async def _follow(self) -> None:
        """Ask the cluster again while what is known of it does not work."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._lay(await self._ask())
            except StoreDown as error:
                if self._home is None:
                    self._failure = error
            except Exception:  # whatever it is, the next try may work
                logger.exception("the nodes of the store cannot be followed")
            await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))
            if self._home is None or not all(line.pipeline for line in self._by_node.values()):
                self._stale.set()
