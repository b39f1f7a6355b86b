"""A real server on a free port of this event loop, and a bare client connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.server.connection import client_connection
from gateway.server.limits import ConnectionLimits


class _Server(uvicorn.Server):
    """Leaves the signal handlers of the test process alone, and stops without looking first."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Served:
    """Where an application can be reached, and the server that serves it."""

    port: int
    server: _Server

    @property
    def connections(self) -> list[Any]:
        """Open client connections."""
        return list(self.server.server_state.connections)

    @property
    def tasks(self) -> int:
        """Requests that are being served."""
        return len(self.server.server_state.tasks)


@asynccontextmanager
async def serve(
    app: ASGIApp, limits: ConnectionLimits | None = None, **config: Any
) -> AsyncIterator[Served]:
    """Serve `app` until the block ends, through our own protocol unless `config` says otherwise.

    `config` is for `uvicorn.Config`.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    options: dict[str, Any] = {
        "http": client_connection(limits or ConnectionLimits(head_s=5.0, connections=100)),
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 1,
    }
    server = _Server(uvicorn.Config(app, interface="asgi3", **(options | config)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await eventually(lambda: server.started)
        yield Served(listener.getsockname()[1], server)
    finally:
        server.stop()
        await serving


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire, its body decoded from chunks."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Wire:
    """One TCP connection of a client that may do what no proper client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Write; waits while the server does not read."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one whole answer. Raises `asyncio.IncompleteReadError` if it is cut."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].split(b"\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(b":") for line in lines)
            }
            if headers.get(b"transfer-encoding") == b"chunked":
                body = await self._chunks()
            else:
                body = await self.reader.readexactly(int(headers.get(b"content-length", 0)))
        return Answer(int(first.split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body

    async def closed(self) -> bytes:
        """Wait until the server has closed the connection; what it still sent before."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def leave(self) -> None:
        """Close the connection."""
        self.writer.close()

    def reset(self) -> None:
        """Cut the connection without a farewell."""
        self.writer.transport.abort()


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Wire]:
    """A connection to a port of this machine, closed when the block ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def eventually(fact: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until `fact` holds. Raises `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110  # the fact has no event
            await asyncio.sleep(0.001)
