"""The embedded server of several processes: one owns it, the others use it and succeed the owner.

Rules: whoever holds `owner.lock` starts the server and ends it; nobody else does. The lock goes
with its holder, however that ends. Who finds the server gone tries for the lock before it connects,
so that a user takes over where the owner has left, with the same append-only file.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection

from gateway.errors import CannotStart
from gateway.store.embedded import GRACE_S, READY_S, EmbeddedServer
from gateway.store.endpoint import SingleEndpoint
from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.private_folder import Lock, make_private
from gateway.store.topology import WHOLE, Node, Topology

_POLL_S = 0.02


class SharedEndpoint:
    """The server in `folder`, owned or used, whatever is free."""

    # The owner before us may take its grace to end, and the file may be long.
    connect_s = READY_S + GRACE_S

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedServer(folder)
        self._reach: SingleEndpoint = self._server.endpoint()
        self._office: Lock | None = None

    @property
    def owner(self) -> bool:
        """Whether the server ends with us."""
        return self._office is not None

    def client(self, *, timeout_s: float) -> redis.Redis:
        """See `Endpoint.client`."""
        return self._reach.client(timeout_s=timeout_s)

    async def topology(self) -> Topology:
        """See `Endpoint.topology`."""
        return WHOLE

    async def connection(self, node: Node) -> AbstractConnection:
        """See `Endpoint.connection`; becomes the owner if nobody is."""
        deadline = asyncio.get_running_loop().time() + self.connect_s - 1
        while True:
            try:
                await self._provide()
            except CannotStart as error:
                raise StoreUnfit(str(error)) from error
            try:
                return await self._reach.connection()
            except StoreDown:
                # The owner may be about to start it, or to leave.
                if self.owner or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_POLL_S)

    async def aclose(self) -> None:
        """End the server if it is ours; somebody else may then start one. Idempotent."""
        office, self._office = self._office, None
        try:
            await self._server.stop()
        finally:
            if office is not None:
                office.release()

    async def _provide(self) -> None:
        make_private(self._folder)
        if self._office is None and self._folder.stat().st_uid == os.geteuid():
            self._office = Lock.take(self._folder / "owner.lock")
        if self.owner and not self._server.running:
            await self._server.start()
