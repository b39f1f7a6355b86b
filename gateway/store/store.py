"""The store as the rest of the gateway sees it: scripts on the hot path, a client beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis.asyncio as redis

from gateway.store.endpoint import Endpoint, open_pipeline
from gateway.store.errors import StoreDown
from gateway.store.pipeline import Pipeline
from gateway.store.script import Script

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""How long after a failure the store is tried again, give or take a fifth."""


class Store:
    """Calls scripts over one shared connection and keeps that connection alive.

    Belongs to one event loop. `redis` is for everything off the hot path.
    """

    def __init__(self, endpoint: Endpoint, *, deadline_s: float = 0.25) -> None:
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._pipeline: Pipeline | None = None
        self._failure = StoreDown("not connected yet")
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._listeners: list[Callable[[bool], None]] = []
        self.redis: redis.Redis = endpoint.client()

    @property
    def up(self) -> bool:
        """Whether a call has a chance now."""
        return self._pipeline is not None

    @property
    def failure(self) -> StoreDown:
        """Why the store is down, or was last."""
        return self._failure

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(up)` each time the store is lost or found again."""
        self._listeners.append(listener)

    async def open(self) -> None:
        """Connect. Raises `StoreDown` when that fails; later losses are mended by themselves."""
        await self._connect()
        self._task = asyncio.create_task(self._keep(), name="store")

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._pipeline is not None:
            self._pipeline.close()
        await self.redis.aclose()

    @contextlib.asynccontextmanager
    async def blocking(self, block_s: float) -> AsyncIterator[Pipeline]:
        """A connection of its own for commands that block up to `block_s`. Raises `StoreDown`."""
        pipeline = await open_pipeline(
            self._endpoint, deadline_s=block_s + self._deadline_s, on_lost=lambda reason: None
        )
        try:
            yield pipeline
        finally:
            pipeline.close()

    def call(self, script: Script, key: bytes, arguments: Any) -> asyncio.Future[Any]:
        """Call a script with the prefix of its keys and one value that MessagePack can carry.

        The future yields the reply, or raises `StoreDown`: at once while the store is down, after
        the deadline where it does not answer. Calls take effect in the order in which they were
        made. Cancelling the future gives up the reply, not the effect.
        """
        pipeline = self._pipeline
        if pipeline is None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreDown(str(self._failure)))
            future.exception()
            return future
        return pipeline.run(script, key, arguments)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(5 * self._deadline_s + 1):
                self._pipeline = await open_pipeline(
                    self._endpoint, deadline_s=self._deadline_s, on_lost=self._lost
                )
        except TimeoutError as error:
            raise StoreDown("connecting took too long") from error
        self._tell(up=True)

    def _lost(self, reason: StoreDown) -> None:
        self._pipeline = None
        self._failure = reason
        self._wake.set()
        self._tell(up=False)

    def _tell(self, *, up: bool) -> None:
        for listener in self._listeners:
            listener(up)

    async def _keep(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            logger.warning("the store is down: %s", self._failure)
            while self._pipeline is None:
                # Also before the first try: a server that closes at once must not be hammered.
                await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))
                try:
                    await self._connect()
                except StoreDown as error:
                    self._failure = error
            logger.info("the store is back")
