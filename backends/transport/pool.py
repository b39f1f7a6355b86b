"""The connections to one runner: all that are open, and those that wait for the next request."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.transport.connection import Connection


class Pool:
    """Last in, first out, so that a falling load lets the oldest connections run out."""

    __slots__ = (
        "_emptied",
        "_idle",
        "_idle_s",
        "_max_idle",
        "_open",
        "_sweep_at",
        "_sweeper",
        "closed",
    )

    def __init__(self, idle_s: float, max_idle: int) -> None:
        self._idle_s = idle_s
        self._max_idle = max_idle
        self._open: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        """Each with the loop time from which on the runner may be about to close it."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep_at = inf
        self._emptied = asyncio.Event()
        self.closed = False

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    def take(self, now: float) -> Connection | None:
        """The freshest idle connection."""
        idle = self._idle
        while idle:
            connection, expires_at = idle.popitem()
            if now < expires_at:
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection, now: float) -> None:
        """Keep a connection for the next request."""
        if self.closed:
            connection.abort()
            return
        idle_s = connection.idle_limit_s
        expires_at = now + (idle_s if idle_s < self._idle_s else self._idle_s)
        self._idle[connection] = expires_at
        if len(self._idle) > self._max_idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.abort()
        if expires_at < self._sweep_at:
            self._arm(expires_at)

    def adopt(self, connection: Connection) -> None:
        """Count a new connection as one of ours until it says that it is `lost`.

        Not before connecting has succeeded: cancelled at its last moment, uvloop closes the socket
        without a word to the protocol.
        """
        if connection.alive:
            self._open.add(connection)

    def withdraw(self, connection: Connection) -> None:
        """Give no further request to it."""
        self._idle.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """It is closed."""
        self._idle.pop(connection, None)
        self._open.discard(connection)
        if self.closed and not self._open:
            self._emptied.set()

    async def aclose(self) -> None:
        """Cut every connection, now and from now on, and wait until all are closed."""
        self.closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._open):
            connection.abort()
        if self._open:
            await self._emptied.wait()

    def _arm(self, at: float) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweep_at = at
        self._sweeper = asyncio.get_running_loop().call_at(at, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        self._sweep_at = inf
        now = asyncio.get_running_loop().time()
        for connection, expires_at in list(self._idle.items()):
            if expires_at <= now:
                del self._idle[connection]
                connection.abort()
        if self._idle:
            self._arm(min(self._idle.values()))
