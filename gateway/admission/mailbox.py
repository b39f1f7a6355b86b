"""Reads the letters that the store writes to this replica: offers and refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.store import Store, StoreDown
from gateway.store.ending import end

logger = logging.getLogger(__name__)

_BLOCK_MS = 5000
_READ = (b"XREAD", b"COUNT", b"200", b"BLOCK", b"%d" % _BLOCK_MS, b"STREAMS")
_PAUSE_S = 0.5

Letter = tuple[Any, ...]


class Mailbox:
    """One stream per replica, read by one blocking connection of its own.

    `deliver` gets each letter once, in order. A connection that breaks is made anew and goes on
    after the last letter; what was lost with the store is found out by `sync`.
    """

    def __init__(self, store: Store, stream: bytes, deliver: Callable[[Letter], None]) -> None:
        self._store = store
        self._stream = stream
        self._deliver = deliver
        self._last = b"0"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read(), name="mailbox")

    async def aclose(self) -> None:
        """Stop reading. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            await end(task)

    async def _read(self) -> None:
        while True:
            try:
                await self._read_until_it_breaks()
            except StoreDown as error:
                logger.debug("the mailbox cannot be read: %s", error)
            except Exception:  # a fault of ours must not end it: `sync` would be all that is left
                logger.exception("a letter could not be delivered")
            await asyncio.sleep(_PAUSE_S)

    async def _read_until_it_breaks(self) -> None:
        async with self._store.blocking(_BLOCK_MS / 1000) as connection:
            while True:
                reply = await connection.command(*_READ, self._stream, self._last)
                # A mapping in RESP3, pairs in RESP2.
                streams = reply.items() if isinstance(reply, dict) else reply or ()
                for _, letters in streams:
                    for id, (_, letter) in letters:
                        self._last = id
                        self._deliver(tuple(msgspec.msgpack.decode(letter)))
