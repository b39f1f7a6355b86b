"""Real servers that a store can be on: the Valkey of the wheel, and Redis where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis as blocking_redis
import redis.asyncio as redis

from gateway.store.embedded import embedded_program
from gateway.store.endpoint import SingleEndpoint

KINDS = ("valkey", "redis")


def program_of(kind: str) -> str:
    """The server of that kind; the test is skipped where there is none."""
    if kind == "redis":
        found = shutil.which("redis-server")
        if found is None:
            pytest.skip("redis-server is not installed")
        return found
    return embedded_program()


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a free port of this machine, and on a unix socket."""

    kind: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    password: str | None = None

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def url(self) -> str:
        """What `store.url` says of it."""
        return f"redis://127.0.0.1:{self.port}"

    def endpoint(self, **arguments: Any) -> SingleEndpoint:
        return SingleEndpoint(
            redis.Connection, {"host": "127.0.0.1", "port": self.port, **arguments}
        )

    def ask(self, *command: Any) -> Any:
        """Send one command, blocking: for preparations only."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> blocking_redis.Redis:
        """A blocking client."""
        return blocking_redis.Redis(
            unix_socket_path=self.socket, password=self.password, protocol=2
        )

    def pause(self, milliseconds: int) -> None:
        """Let it answer nobody for that long."""
        self.ask("CLIENT", "PAUSE", milliseconds, "ALL")


@contextmanager
def server(
    kind: str = "valkey", *options: str, port: int | None = None, password: str | None = None
) -> Iterator[Server]:
    """Run one until the block ends, with these options added, such as `--maxmemory`, `1mb`."""
    program = program_of(kind)
    # Not pytest's folder: the path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="sg"))
    port = free_port() if port is None else port
    argv = [
        program,
        *("--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(folder / "s")),
        *("--dir", str(folder), "--save", "", "--loglevel", "warning", "--logfile", "log"),
        *(("--requirepass", password, "--masterauth", password) if password else ()),
        *options,
    ]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        made = Server(kind, port, folder, process, password)
        _until_it_answers(made)
        yield made
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """One that nobody listens on; a cluster's nodes also use the one 10000 above."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55_000:
            return port
        # The range of free ports reaches higher than that.
        port = 20_000 + port % 30_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(server.socket)
                probe.sendall(b"PING\r\n")
                answer = probe.recv(64)
        except OSError:
            answer = b""
        # It may ask for a password first.
        if answer.startswith((b"+PONG", b"-NOAUTH")):
            return
        log = server.folder / "log"
        said = log.read_text() if log.exists() else ""
        assert server.process.poll() is None, f"the server ended: {said}"
        assert time.monotonic() < deadline, f"the server does not answer: {said}"
        time.sleep(0.005)
