"""One connection to one server that mends itself: the breaker.

States: up (there is a pipeline) and down (there is none, and calls fail at once). Down follows from
one dead connection, one overdue reply, or three refusals in a row. While it is down a new
connection is tried each second, give or take a fifth; up follows once one is open and whoever
looks at new connections has nothing against it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection

from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.pipeline import Pipeline

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""How long after a failure the server is tried again, give or take a fifth."""

Dial = Callable[[], Awaitable[AbstractConnection]]
"""Opens a connection that can be used. Raises `StoreDown`."""


class Line:
    """Belongs to one event loop. `pipeline` is the open connection, None while there is none."""

    def __init__(
        self,
        name: str,
        dial: Dial,
        *,
        deadline_s: float,
        on_change: Callable[[Line], None],
        on_moved: Callable[[], None],
    ) -> None:
        self.name = name
        self.pipeline: Pipeline | None = None
        self.failure = StoreDown(f"not connected to {name} yet")
        self._dial = dial
        self._deadline_s = deadline_s
        self._on_change = on_change
        self._on_moved = on_moved
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect once. Raises `StoreDown`. Cancelling it leaves nothing open."""
        try:
            connection = await self._dial()
        except StoreDown as error:
            self.failure = error
            raise
        self.pipeline = pipeline_on(
            connection,
            deadline_s=self._deadline_s,
            on_lost=self._lost,
            on_moved=self._on_moved,
        )
        self._on_change(self)

    def keep(self) -> None:
        """From now on connect whenever there is no connection, until `aclose`."""
        self._task = asyncio.create_task(self._keep(), name=f"store {self.name}")

    async def aclose(self) -> None:
        """Close the connection and open no other. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self.pipeline is not None:
            self.pipeline.close()

    def _lost(self, reason: StoreDown) -> None:
        self.pipeline = None
        self.failure = reason
        self._ended.set()
        self._on_change(self)

    async def _keep(self) -> None:
        while True:
            if self.pipeline is None:
                await self._mend()
            await self._ended.wait()
            self._ended.clear()
            logger.warning("the store (%s) is down: %s", self.name, self.failure)
            # Also before the first try: a server that closes at once must not be hammered.
            await _pause()

    async def _mend(self) -> None:
        said = ""
        while self.pipeline is None:
            try:
                await self.connect()
            except StoreUnfit as error:
                if str(error) != said:
                    said = str(error)
                    logger.error("the store (%s) cannot be used: %s", self.name, error)
                await _pause()
            except StoreDown:
                await _pause()
            except Exception:  # whatever it is, the next try may work
                logger.exception("connecting to the store (%s) failed", self.name)
                await _pause()
        logger.info("the store (%s) is there", self.name)


def pipeline_on(
    connection: AbstractConnection,
    *,
    deadline_s: float,
    on_lost: Callable[[StoreDown], None],
    on_moved: Callable[[], None] = lambda: None,
) -> Pipeline:
    """Hand a connection over to a pipeline."""
    pipeline = Pipeline(deadline_s=deadline_s, on_lost=on_lost, on_moved=on_moved)
    reader, writer = connection._reader, connection._writer
    assert reader is not None
    assert writer is not None
    # The connection must not close what is no longer its own when it is thrown away.
    connection._reader = connection._writer = None
    pipeline.take_over(writer.transport, former=(reader, writer))
    return pipeline


async def _pause() -> None:
    await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))
