"""Where a store is, and how to connect to it: redis-py connects, authenticates and speaks TLS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.topology import WHOLE, Node, Topology

MOST_CONNECTIONS = 16
"""Connections that one ordinary client opens at most; further commands wait for one."""


class Endpoint(Protocol):
    """One way to reach a store."""

    connect_s: float
    """What a connection may take, and whatever has to be done before there can be one."""

    def client(self, *, timeout_s: float) -> redis.Redis:
        """An ordinary client, for everything off the hot path. The caller closes it."""
        ...

    async def topology(self) -> Topology:
        """Which server has which keys. `WHOLE` where there is only one. Raises `StoreDown`."""
        ...

    async def connection(self, node: Node) -> AbstractConnection:
        """A new connection to the server that takes writes, open and authenticated.

        Raises `StoreDown`, or `StoreUnfit` where only another configuration would help.
        Cancelling it leaves nothing open.
        """
        ...

    async def aclose(self) -> None:
        """Give up what was needed to reach it. Idempotent."""
        ...


class SingleEndpoint:
    """One server. `arguments` are those of the connection class, without time-outs."""

    def __init__(
        self,
        kind: type[AbstractConnection],
        arguments: Mapping[str, Any],
        *,
        connect_s: float = 2.0,
    ) -> None:
        self.connect_s = connect_s
        self._kind = kind
        self._arguments = {"protocol": 2, **arguments}

    def client(self, *, timeout_s: float) -> redis.Redis:
        """See `Endpoint.client`."""
        pool = redis.BlockingConnectionPool(
            connection_class=self._kind,
            max_connections=MOST_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=self.connect_s,
            retry=Retry(NoBackoff(), 1),
            **self._arguments,
        )
        return redis.Redis.from_pool(pool)

    async def topology(self) -> Topology:
        """See `Endpoint.topology`."""
        return WHOLE

    async def connection(self, node: Node = WHOLE.nodes[0]) -> AbstractConnection:
        """See `Endpoint.connection`."""
        return await connected(
            self._kind(
                socket_timeout=self.connect_s,
                socket_connect_timeout=self.connect_s,
                **self._arguments,
            )
        )

    async def aclose(self) -> None:
        """See `Endpoint.aclose`."""


async def connected(connection: AbstractConnection) -> AbstractConnection:
    """Open it. Raises `StoreDown`; then, and when it is cancelled, it is closed again."""
    async with closed_on_error(connection):
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            # The client wraps what is raised while it looks for the server.
            for cause in (error, error.__cause__):
                if isinstance(cause, AuthenticationError):
                    raise not_let_in(cause) from error
            raise StoreDown(str(error)) from error
    return connection


def not_let_in(error: AuthenticationError) -> StoreUnfit:
    """What to change where credentials are missing or wrong."""
    return StoreUnfit(
        f"it does not let the gateway in ({error}). Set store.username and store.password_file "
        "(or SLUICEGATE_STORE__PASSWORD) to what it asks for."
    )


@contextlib.asynccontextmanager
async def closed_on_error(connection: AbstractConnection) -> AsyncIterator[None]:
    """Keep the connection open only if the block ends well."""
    try:
        yield
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
