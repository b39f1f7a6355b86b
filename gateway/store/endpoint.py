"""Where a store is, and how to connect to it: redis-py connects, authenticates and speaks TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateway.store.errors import StoreDown
from gateway.store.pipeline import Pipeline


class Endpoint(Protocol):
    """One way to reach a store."""

    def client(self) -> redis.Redis:
        """An ordinary client, for everything off the hot path. The caller closes it."""
        ...

    async def connection(self) -> AbstractConnection:
        """A new connection to the server that takes writes, open and authenticated.

        Raises `StoreDown`.
        """
        ...


class SingleEndpoint:
    """One server, by its connection pool."""

    def __init__(self, pool: Callable[[], redis.ConnectionPool]) -> None:
        self._pool = pool

    def client(self) -> redis.Redis:
        """See `Endpoint.client`."""
        return redis.Redis.from_pool(self._pool())

    async def connection(self) -> AbstractConnection:
        """See `Endpoint.connection`."""
        connection: AbstractConnection = self._pool().make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise StoreDown(str(error)) from error
        return connection


async def open_pipeline(
    endpoint: Endpoint, *, deadline_s: float, on_lost: Callable[[StoreDown], None]
) -> Pipeline:
    """Connect and hand the connection to a pipeline. Raises `StoreDown`."""
    connection = await endpoint.connection()
    pipeline = Pipeline(deadline_s=deadline_s, on_lost=on_lost)
    reader, writer = connection._reader, connection._writer
    assert reader is not None
    assert writer is not None
    # The connection must not close what is no longer its own when it is thrown away.
    connection._reader = connection._writer = None
    pipeline.take_over(writer.transport, former=(reader, writer))
    return pipeline
