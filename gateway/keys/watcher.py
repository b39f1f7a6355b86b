"""Keeps the table of a replica like the store: a new key works, and a revoked one does not, within
a second.

The store is asked for what changed, a few times a second. That costs a replica some 50 µs a second,
cannot miss anything, and works alike on one server, Sentinel and Cluster, which a subscription
would not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.keys.keyring import Keyring
from gateway.keys.table import KeyTable
from gateway.store import StoreDown

logger = logging.getLogger(__name__)

INTERVAL_S = 0.4
"""Between two looks; with a look that is lost to the store's deadline still within a second."""
RELOAD_S = 60.0
"""How often everything is read anew, should a change ever have been missed."""


class KeyWatcher:
    """Owns the task that looks. `clock` is monotonic, in seconds.

    While the store is down, the keys that are known stay valid for `max_age_s` after the last look
    that succeeded; then they are forgotten, because one of them may have been revoked.
    """

    def __init__(
        self,
        keyring: Keyring,
        table: KeyTable,
        *,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_age_s = max_age_s
        self._keyring = keyring
        self._table = table
        self._clock = clock
        self._version = ""
        self._reload_at = 0.0
        self._seen_at = clock()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then go on looking until `aclose`."""
        await self.look()
        if self._table.empty:
            logger.warning(
                "keys are asked for and there are none: 'sluicegate keys create NAME' makes one"
            )
        self._task = asyncio.create_task(self._run(), name="keys")

    async def aclose(self) -> None:
        """Stop looking. What is known stays. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> None:
        """Bring the table up to date. Never raises because of the store; may be cancelled."""
        now = self._clock()
        complete = now >= self._reload_at
        try:
            changes = await self._keyring.changes("" if complete else self._version)
        except StoreDown as error:
            self._failed(now, error)
            return
        if changes.complete:
            self._table.replace(changes.records)
            self._reload_at = now + RELOAD_S
        else:
            self._table.update(changes.records)
        # Only now: a look that is cancelled before must be made again from the same place.
        self._version, self._seen_at = changes.version, now
        self._failing = False

    def _failed(self, now: float, error: StoreDown) -> None:
        if not self._failing:
            logger.warning("keys cannot be read: %s; those that are known go on working", error)
        self._failing = True
        self._reload_at = now  # whatever came of the store, nothing of it is taken for granted
        if now - self._seen_at > self.max_age_s and self._version:
            logger.error(
                "no look at the keys for %g s: those of the store are void", self.max_age_s
            )
            self._version = ""
            self._table.forget_stored()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.look()
            except Exception:
                logger.exception("looking at the keys failed")
