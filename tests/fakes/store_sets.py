"""Several servers that form one store: a master with a sentinel, and a cluster."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis as blocking_redis

from tests.fakes.stores import Server, free_port, program_of, server

MASTER = "the-master"


@dataclass(frozen=True, slots=True)
class Watched:
    """A master, a replica, and the sentinel that watches them."""

    master: Server
    replica: Server
    sentinel_port: int

    def master_port(self) -> int:
        """Whom the sentinel calls the master."""
        with blocking_redis.Redis(port=self.sentinel_port, protocol=2) as sentinel:
            reply = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
            return int(reply[1])

    def fail_over(self) -> None:
        """Let the sentinel make the replica the master, and wait until it has."""
        with blocking_redis.Redis(port=self.sentinel_port, protocol=2) as sentinel:

            def accepted() -> bool:
                try:
                    return bool(sentinel.execute_command("SENTINEL", "FAILOVER", MASTER))
                except blocking_redis.ResponseError:  # it does not know the replica well yet
                    return False

            _until(accepted)
        _until(lambda: self.master_port() == self.replica.port)


@contextmanager
def watched(password: str | None = None) -> Iterator[Watched]:
    """Run the three until the block ends; all of them ask for the password, if there is one."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with server("valkey", *at_once, password=password) as master:
        follow = ("--replicaof", f"127.0.0.1 {master.port}")
        with server("valkey", *at_once, *follow, password=password) as replica:
            _until(lambda: _fact(replica, "master_link_status") == "up")
            with _sentinel(master.port, password) as port:
                yield Watched(master, replica, port)


@contextmanager
def _sentinel(master_port: int, password: str | None) -> Iterator[int]:
    asks = (
        f'sentinel auth-pass {MASTER} "{password}"\nrequirepass "{password}"\n' if password else ""
    )
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sg") as folder:
        file = Path(folder) / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile log\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {master_port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 300\n"
            f"sentinel failover-timeout {MASTER} 2000\n{asks}"
        )
        process = subprocess.Popen([program_of("valkey"), str(file), "--sentinel"])
        try:
            with blocking_redis.Redis(port=port, password=password, protocol=2) as sentinel:
                _until(lambda: _knows_a_replica(sentinel))
            yield port
        finally:
            process.kill()
            process.wait()


def _knows_a_replica(sentinel: blocking_redis.Redis) -> bool:
    try:
        return bool(sentinel.execute_command("SENTINEL", "REPLICAS", MASTER))
    except blocking_redis.ConnectionError:
        return False


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three masters with a third of the slots each, and a replica of the first."""

    masters: tuple[Server, Server, Server]
    replica: Server

    @property
    def url(self) -> str:
        """What `store.url` says of it: one node is enough to find the others."""
        return f"redis+cluster://127.0.0.1:{self.masters[2].port}"

    def promote_replica(self) -> None:
        """Make the replica the master of the first one's slots, without asking anybody."""
        self.replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run one until the block ends."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    options += ("--repl-diskless-sync-delay", "0")
    with ExitStack() as stack:
        nodes = [stack.enter_context(server("valkey", *options)) for _ in range(4)]
        bounds = (0, 5461, 10923, 16384)
        for number, node in enumerate(nodes[:3]):
            node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        _until(lambda: all(_cluster_fact(n, "cluster_known_nodes") == "4" for n in nodes))
        nodes[3].ask("CLUSTER", "REPLICATE", nodes[0].ask("CLUSTER", "MYID"))
        _until(lambda: _fact(nodes[3], "master_link_status") == "up")
        _until(lambda: all(_cluster_fact(n, "cluster_state") == "ok" for n in nodes))
        yield Cluster((nodes[0], nodes[1], nodes[2]), nodes[3])


def _fact(node: Server, name: str) -> str:
    with node.client() as client:
        return str(client.info("replication").get(name, ""))


def _cluster_fact(node: Server, name: str) -> str:
    text: bytes = node.ask("CLUSTER", "INFO")
    if isinstance(text, dict):
        return str(text.get(name, ""))
    pairs = (line.partition(":") for line in text.decode().splitlines())
    return dict((key, value) for key, _, value in pairs).get(name, "")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
