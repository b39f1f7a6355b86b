"""One worker process as its supervisor sees it, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import gateway
from gateway.server.channel import Channel, Message

# The working directory stays out of the module path: there may be any `gateway` in it.
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from gateway.cli import main; main()"
_HOME = str(Path(gateway.__file__).parents[1])


class WorkerProcess:
    """A started worker. Its channel is closed, and so it ends, when this process ends."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.number = number
        self.ready = False
        self.listening = False
        """Whether it answers questions."""
        self._process = process
        self._channel = channel

    @classmethod
    async def start(cls, number: int, listener: socket.socket) -> WorkerProcess:
        """Start one on the socket. Raises `OSError`. Cancelling it leaves none behind."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            files = (listener.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT, _HOME, "worker"),
                *map(str, (number, *files)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=files,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends us in order
            )
            try:
                channel = await Channel.over(ours.dup())
            except BaseException:
                process.kill()
                raise
        return cls(number, process, channel)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, about: str, payload: object = None) -> None:
        """Send it a message."""
        self._channel.send(about, payload)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def served(self, take: Callable[[WorkerProcess, Message], None]) -> int:
        """Pass on what it says until it has ended; return its status. Cancelling it kills it."""
        try:
            while (message := await self._channel.receive()) is not None:
                take(self, message)
            return await self._process.wait()
        finally:
            self._channel.close()
            if self._process.returncode is None:
                self.signal(signal.SIGKILL)
                await self._process.wait()
