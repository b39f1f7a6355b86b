"""A server on a real socket that does to each connection exactly what a script says.

    async def cut_in_the_middle(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer(b"0123456789")[:-5])

    async with BadPeer(cut_in_the_middle) as peer:
        ... peer.url ...

The first script serves the first connection, and so on; the last one serves all that follow. A
connection is closed when its script ends. A script that fails makes the `async with` fail.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import cast

Script = Callable[["Wire"], Awaitable[None]]
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """What came in, uninterpreted but for its length."""

    head: bytes
    body: bytes


class Wire:
    """One accepted connection, in the hands of its script."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.requests: list[Request] = []

    async def request(self) -> Request:
        """Read one request with its body. Raises `asyncio.IncompleteReadError` if none comes."""
        head = await self.request_head()
        request = Request(head, await self.body(head))
        self.requests.append(request)
        return request

    async def request_head(self) -> bytes:
        """Read one request head and leave its body where it is."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def body(self, head: bytes) -> bytes:
        """Read the body that `head` announces."""
        return await self._reader.readexactly(_content_length(head))

    def stop_reading(self) -> None:
        """Let the client's bytes pile up in the kernel."""
        self._transport().pause_reading()

    def go_on_reading(self) -> None:
        """Undo `stop_reading`."""
        self._transport().resume_reading()

    async def send(self, data: bytes) -> None:
        """Write, and wait while the client does not read."""
        if self._writer.transport.is_closing():
            raise ConnectionResetError  # uvloop would raise a RuntimeError
        self._writer.write(data)
        await self._writer.drain()

    async def trickle(self, data: bytes) -> None:
        """Write one byte per segment and per turn of the event loop."""
        for at in range(len(data)):
            await self.send(data[at : at + 1])
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass

    def half_close(self) -> None:
        """Announce the end of what we send, and go on receiving."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _transport(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self._writer.transport)


class BadPeer:
    """Listens on a free port of 127.0.0.1 while its `async with` block lasts."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts: Sequence[Script] = scripts
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self.wires: list[Wire] = []
        """Every connection there has been, in the order of arrival."""
        self.port = 0

    @property
    def url(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Every request that a script has read to its end."""
        return [request for wire in self.wires for request in wire.requests]

    @property
    def open_connections(self) -> int:
        """Connections whose script has not ended."""
        return len(self._running)

    async def __aenter__(self) -> BadPeer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if self._failures and error is None:
            raise self._failures[0]

    async def stop(self) -> None:
        """Cut every connection and refuse new ones. Idempotent."""
        self.refuse()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def refuse(self) -> None:
        """Refuse new connections."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        script = self._scripts[min(len(self.wires), len(self._scripts) - 1)]
        wire = Wire(reader, writer)
        self.wires.append(wire)
        try:
            await script(wire)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client left. What that means is for the test to say.
        except asyncio.CancelledError:
            writer.transport.abort()  # By `stop`, which waits for us.
        except BaseException as exc:
            self._failures.append(exc)
        finally:
            self._running.discard(task)
            writer.close()


async def silence(wire: Wire) -> None:
    """Accept the connection, read what comes, and never say a word."""
    await wire.gone()


def answers(*replies: bytes) -> Script:
    """Answer one request after the other with the next of `replies`, then wait for the client."""

    async def script(wire: Wire) -> None:
        for reply in replies:
            await wire.request()
            await wire.send(reply)
        await wire.gone()

    return script


def answer(body: bytes = b"", *, status: int = 200, headers: Sequence[Header] = ()) -> bytes:
    """A proper answer whose length is announced."""
    return _head(status, [*headers, ("Content-Length", str(len(body)))]) + body


def chunked(*pieces: bytes, status: int = 200, headers: Sequence[Header] = ()) -> bytes:
    """A proper answer in chunks."""
    head = chunked_head(status, headers=headers)
    return head + b"".join(chunk(piece) for piece in pieces) + chunk(b"")


def chunked_head(status: int = 200, *, headers: Sequence[Header] = ()) -> bytes:
    """The head of a chunked answer."""
    return _head(status, [*headers, ("Transfer-Encoding", "chunked")])


def chunk(data: bytes) -> bytes:
    """One chunk; the empty one ends the answer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(status: int, headers: Sequence[Header]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
