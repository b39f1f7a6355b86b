"""What a replica does at regular times: signs of life, and looking after what time has brought."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.admission.scheduler import Scheduler
from gateway.store import StoreDown

logger = logging.getLogger(__name__)

SYNC_S = 2.0
"""Between two signs of life, give or take a fifth. Three missed ones make a replica silent."""
PUMP_S = 1.0


class Upkeep:
    """Runs `sync` and the pump while the store is up, and `wake` each time it has come back."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Callable[[], float],
        *,
        sync: Callable[[], Awaitable[None]],
        wake: Callable[[], Awaitable[None]],
        on_down: Callable[[], None],
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._sync = sync
        self._wake = wake
        self._on_down = on_down
        self.learn: Callable[[], None] = lambda: None
        self._up = True
        self._returning = False
        self._soon = asyncio.Event()
        self._offset_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self.spawn(self._keep_in_sync())
        self.spawn(self._keep_pumping())

    async def aclose(self) -> None:
        """End everything. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end, or until `aclose`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def sync_soon(self) -> None:
        """Do not wait for the next sign of life."""
        self._soon.set()

    def set_time(self, now_s: float, asked: float) -> None:
        """The store said what time it is, some time after `asked` on the monotonic clock."""
        self._offset_s = now_s - asked

    def store_time(self) -> float:
        """What time it is there, or somewhat later: an age taken with it is never too small."""
        return self._clock() + self._offset_s

    def store_changed(self, up: bool) -> None:
        """The store was lost, or is there again."""
        if not up and self._up:
            self._up = False
            self._on_down()
        elif up and not self._up and not self._returning:
            self._returning = True
            self.spawn(self._come_back())

    async def _come_back(self) -> None:
        """Until it has worked, or the store has gone again."""
        try:
            while self._scheduler.reachable:
                try:
                    await self._wake()
                    self._up = True
                    return
                except StoreDown as error:
                    logger.info("the store cannot be used yet: %s", error)
                except Exception:
                    logger.exception("the store cannot be used yet")
                await asyncio.sleep(PUMP_S)
        finally:
            self._returning = False

    async def _keep_in_sync(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SYNC_S * random.uniform(0.8, 1.2)):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            if self._up:
                await self._try(self._sync)

    async def _keep_pumping(self) -> None:
        while True:
            await asyncio.sleep(PUMP_S * random.uniform(0.8, 1.2))
            await self._try(self._pump)

    async def _pump(self) -> None:
        self.learn()
        if self._up:
            await self._scheduler.pump()

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreDown as error:
            logger.debug("the store did not answer: %s", error)
        except Exception:  # a fault of ours must not end the signs of life: leases hang on them
            logger.exception("the upkeep of the queue failed")
