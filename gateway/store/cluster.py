"""A cluster: several masters, each with a part of the keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from gateway.store.endpoint import MOST_CONNECTIONS, connected
from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.topology import Node, Topology, topology_of

_TRIES = 3


class ClusterEndpoint:
    """The cluster that the servers at `nodes` belong to, some of its nodes at least."""

    def __init__(
        self,
        nodes: Sequence[Node],
        arguments: Mapping[str, Any],
        *,
        tls: bool = False,
        connect_s: float = 2.0,
    ) -> None:
        self.connect_s = connect_s
        self._seeds = tuple(nodes)
        self._known: tuple[Node, ...] = ()
        self._tls = tls
        self._kind = redis.SSLConnection if tls else redis.Connection
        self._arguments = {"protocol": 2, **arguments}

    def client(self, *, timeout_s: float) -> redis.Redis:
        """See `Endpoint.client`. Commands go to the node that has their key."""
        cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in self._seeds],
            max_connections=MOST_CONNECTIONS,
            socket_timeout=timeout_s,
            socket_connect_timeout=self.connect_s,
            retry=Retry(ConstantBackoff(0.1), _TRIES),
            ssl=self._tls,
            **self._arguments,
        )
        return cast("redis.Redis", cluster)  # it has the same commands

    async def topology(self) -> Topology:
        """See `Endpoint.topology`. Asks the nodes one by one until one answers."""
        failure = StoreDown("no node of the cluster is known")
        for node in dict.fromkeys((*self._known, *self._seeds)):
            try:
                topology = await self._ask(node)
            except StoreUnfit:
                raise
            except StoreDown as error:
                failure = error
                continue
            if topology.ranges:
                self._known = topology.nodes
                return topology
            failure = StoreDown(f"the cluster serves no slots yet, says {node[0]}:{node[1]}")
        raise failure

    async def connection(self, node: Node) -> AbstractConnection:
        """See `Endpoint.connection`."""
        return await connected(
            self._kind(
                host=node[0],
                port=node[1],
                socket_timeout=self.connect_s,
                socket_connect_timeout=self.connect_s,
                **self._arguments,
            )
        )

    async def aclose(self) -> None:
        """See `Endpoint.aclose`."""

    async def _ask(self, node: Node) -> Topology:
        connection = await self.connection(node)
        try:
            await connection.send_command("CLUSTER", "SLOTS")
            reply = await connection.read_response()
            return topology_of(reply, node)
        except (RedisError, OSError, ValueError) as error:
            if "cluster support disabled" in str(error):
                raise StoreUnfit(
                    f"{node[0]}:{node[1]} is no node of a cluster. Write "
                    f"store.url: redis://{node[0]}:{node[1]}"
                ) from error
            raise StoreDown(f"CLUSTER SLOTS at {node[0]}:{node[1]}: {error}") from error
        finally:
            await connection.disconnect(nowait=True)
