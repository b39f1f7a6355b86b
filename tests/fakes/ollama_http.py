"""A small HTTP/1.1 server on a real socket that notices at once when its client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """One request as it came, and what became of its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    cut: bool = False
    """The client closed the connection before the answer was complete."""
    answered: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Exchange:
    """Writes one answer: whole, or begun and then streamed in HTTP chunks."""

    seen: Seen
    writer: asyncio.StreamWriter
    status: int = 0
    """0 until the head is written."""
    pending: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    async def send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        """A complete answer, framed by its length."""
        self.status = status
        head = (
            f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}\r\n"
            f"Content-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + (b"" if self.seen.method == "HEAD" else body))
        await self.writer.drain()

    async def send_json(self, status: int, value: object) -> None:
        await self.send(status, json.dumps(value, separators=(",", ":")).encode())

    async def piece(self, data: bytes, kind: str) -> None:
        """The next piece of a stream; the head goes out with the first one."""
        if not self.status:
            self.status = 200
            self.writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


Handler = Callable[[Exchange], Awaitable[None]]


class HttpServer:
    """Serves `handler` on a free port of 127.0.0.1, keeping connections alive as Go does."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Seen] = []
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            ahead = b""
            while (seen := await self._read(reader, ahead)) is not None:
                ahead = await self._serve(seen, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, ahead: bytes) -> Seen | None:
        try:
            head = ahead + await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Seen(method, path, headers, body)

    async def _serve(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Answer one request; return what the client has already sent of the next one."""
        self.requests.append(seen)
        exchange = Exchange(seen, writer)
        answer = asyncio.ensure_future(self._handler(exchange))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and leaving.result() == b"":
                raise ConnectionAbortedError("the client has left")
            await answer
            if exchange.broken:
                raise ConnectionAbortedError("cut on purpose")
            seen.answered = True
            if leaving.done():
                return leaving.result()
            leaving.cancel()
            return b""
        except ConnectionError:
            # A client that ends with data unread resets: reading or writing fails then.
            seen.cut = not exchange.broken
            raise
        finally:
            for task in (answer, leaving):
                task.cancel()
            await asyncio.gather(answer, leaving, return_exceptions=True)
