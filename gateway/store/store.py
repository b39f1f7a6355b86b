"""The store as the rest of the gateway sees it: scripts on the hot path, a client beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import redis.asyncio as redis

from gateway.store.endpoint import Endpoint
from gateway.store.errors import StoreDown
from gateway.store.line import pipeline_on
from gateway.store.lines import Inspect, Lines
from gateway.store.pipeline import Pipeline
from gateway.store.script import Script

HOME = b"{sg:default}"
OFF_PATH_S = 5.0
"""What a command of `redis` may take: off the hot path some are long."""


class Store:
    """Calls scripts over one shared connection to each server and keeps those alive.

    Belongs to one event loop. `redis` is for everything off the hot path. `home` is the prefix of
    the keys that matter most; in a cluster the store is up while the node that has them is.
    `inspect` looks at each new connection before it is used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        deadline_s: float = 0.25,
        home: bytes = HOME,
        inspect: Inspect | None = None,
    ) -> None:
        self.home = home
        self._deadline_s = deadline_s
        self._listeners: list[Callable[[bool], None]] = []
        self._lines = Lines(
            endpoint, deadline_s=deadline_s, home=home, inspect=inspect, on_change=self._tell
        )
        self.redis: redis.Redis = endpoint.client(timeout_s=OFF_PATH_S)

    @property
    def up(self) -> bool:
        """Whether a call has a chance now."""
        return self._lines.up

    @property
    def failure(self) -> StoreDown:
        """Why the store is down, or was last."""
        return self._lines.failure

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(up)` each time the store is lost or found again."""
        self._listeners.append(listener)

    async def open(self) -> None:
        """Connect. Raises `StoreDown` when that fails; later losses are mended by themselves."""
        await self._lines.open()

    def keep_trying(self) -> None:
        """After `open` has failed: connect as soon as that can be done."""
        self._lines.keep()

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._lines.aclose()
        await self.redis.aclose()

    @contextlib.asynccontextmanager
    async def blocking(self, block_s: float) -> AsyncIterator[Pipeline]:
        """A connection of its own for commands on home keys that block up to `block_s`.

        Raises `StoreDown`. It is not mended: when it breaks, ask for another one.
        """
        pipeline = pipeline_on(
            await self._lines.home_connection(),
            deadline_s=block_s + self._deadline_s,
            on_lost=lambda reason: None,
        )
        try:
            yield pipeline
        finally:
            pipeline.close()

    def call(self, script: Script, key: bytes, arguments: Any) -> asyncio.Future[Any]:
        """Call a script with the prefix of its keys and one value that MessagePack can carry.

        The future yields the reply, or raises `StoreDown`: at once while the store is down, after
        the deadline where it does not answer. Calls take effect in the order in which they were
        made, but for those of a script that the server has to be told first.
        Cancelling the future gives up the reply, not the effect.
        """
        lines = self._lines
        line = lines.only or lines.of_key(key)
        if line is not None and line.pipeline is not None:
            return line.pipeline.run(script, key, arguments)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        failure = self.failure if line is None else line.failure
        future.set_exception(StoreDown(str(failure)))
        future.exception()
        return future

    async def load(self, scripts: Iterable[Script]) -> None:
        """Make scripts known to every server, so that the first call of each costs no more than
        later ones. Not needed: a server that does not know one is told. Raises `StoreDown`."""
        replies = [
            pipeline.command(*script.introduction())
            for pipeline in self._lines.pipelines()
            for script in scripts
        ]
        await asyncio.gather(*replies)

    def tell(self, script: Script, key: bytes, arguments: Any, *, at_once: bool = False) -> bool:
        """`call` for a reply that nobody needs; False if the store is down and it was not sent.

        `at_once`: see `Pipeline.tell`.
        """
        lines = self._lines
        line = lines.only or lines.of_key(key)
        pipeline = None if line is None else line.pipeline
        return pipeline is not None and pipeline.tell(script, key, arguments, at_once=at_once)

    def _tell(self, up: bool) -> None:
        for listener in self._listeners:
            listener(up)
