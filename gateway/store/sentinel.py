"""A master that sentinels know: they are asked anew for each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError

from gateway.store.endpoint import SingleEndpoint
from gateway.store.topology import Node

ASK_S = 1.0
"""What one sentinel may take before the next one is asked."""

_CREDENTIALS = ("username", "password")


class MasterUnknown(redis.ConnectionError):
    """No sentinel names a master; the message says what each of them said instead."""


class _ToMaster(redis.Connection):
    """Connects to whoever is the master at that moment."""

    def __init__(self, *, find: Callable[[], Awaitable[Node]], **arguments: Any) -> None:
        self._find = find
        super().__init__(host="", port=0, **arguments)

    async def _connect(self) -> None:
        self.host, self.port = await self._find()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except ReadOnlyError as error:
            # It was the master once. The next attempt asks the sentinels again.
            await self.disconnect(nowait=True)
            raise redis.ConnectionError("the master has become a replica") from error


class _ToMasterTls(_ToMaster, redis.SSLConnection):
    pass


class SentinelEndpoint(SingleEndpoint):
    """The master that the sentinels at `nodes` call `master`.

    Credentials are those of the master; a sentinel that asks for any is given the same.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        master: str,
        arguments: Mapping[str, Any],
        *,
        tls: bool = False,
        connect_s: float = 2.0,
    ) -> None:
        self._nodes = list(nodes)
        self._master = master
        self._sentinel_kind = redis.SSLConnection if tls else redis.Connection
        self._to_sentinel = {k: v for k, v in arguments.items() if k not in ("db", *_CREDENTIALS)}
        self._credentials = {k: v for k, v in arguments.items() if k in _CREDENTIALS}
        super().__init__(
            _ToMasterTls if tls else _ToMaster,
            {**arguments, "find": self.find},
            connect_s=connect_s + ASK_S * len(self._nodes),
        )

    async def find(self) -> Node:
        """Where the master is. Raises `MasterUnknown`."""
        said = []
        for node in tuple(self._nodes):
            try:
                async with asyncio.timeout(ASK_S):
                    found = await self._ask(node)
            except AuthenticationError:
                raise  # the others will hardly let us in
            except TimeoutError:
                said.append(f"{_name(node)}: no answer")
            except (RedisError, OSError) as error:
                said.append(f"{_name(node)}: {error}")
            else:
                # One that knows is asked first the next time.
                self._nodes.remove(node)
                self._nodes.insert(0, node)
                return found
        raise MasterUnknown(f"no sentinel names a master '{self._master}' ({'; '.join(said)})")

    async def _ask(self, node: Node) -> Node:
        try:
            return await self._ask_with({}, node)
        except AuthenticationError:
            return await self._ask_with(self._credentials, node)

    async def _ask_with(self, credentials: Mapping[str, Any], node: Node) -> Node:
        connection: AbstractConnection = self._sentinel_kind(
            host=node[0], port=node[1], protocol=2, **self._to_sentinel, **credentials
        )
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
            reply = await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)
        if not reply:
            raise ResponseError("it does not know that master")
        host, port = reply
        return host.decode(), int(port)


def _name(node: Node) -> str:
    return f"{node[0]}:{node[1]}"
