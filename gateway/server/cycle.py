"""One request and its response on a client connection, as ASGI sees them.

What makes it cheap: the response head waits for the first piece of the body and leaves with it in
one write, and waiting for the client takes one future.
"""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Scope

from gateway.inference.direct import EXTENSION

if TYPE_CHECKING:
    from gateway.server.connection import ClientConnection

logger = logging.getLogger(__name__)

_NO_BODY = (204, 304)
_UNTIL_CLOSE = 1 << 62
"""Stands for a length that nobody knows."""
_ENDLESS = 1 << 61


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


class Cycle:
    """Made when a request head is complete; ends with the response or with the connection.

    A request that came as a whole has its `body` from the start.

    `send` waits while the client reads too slowly, and does nothing once the client has left;
    `receive` then yields `http.disconnect`.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_connection",
        "_head",
        "_left_to_send",
        "_more",
        "_news",
        "_on_departure",
        "_scope",
        "_waiter",
        "complete",
        "continue_expected",
        "disconnected",
        "keep_alive",
        "task",
    )

    def __init__(
        self,
        connection: ClientConnection,
        scope: Scope,
        *,
        keep_alive: bool = True,
        continue_expected: bool = False,
        body: bytes | None = None,
    ) -> None:
        self._connection = connection
        self._scope = scope
        self.keep_alive = keep_alive
        self.continue_expected = continue_expected
        self.disconnected = False
        self.complete = False
        self.task: asyncio.Task[None] | None = None
        """What runs it."""
        self._on_departure: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._news = body is not None
        self._body: bytes | bytearray = body or b""
        self._more = body is None
        self._head: bytes | None = None
        self._chunked = False
        self._left_to_send: int | None = None

    @property
    def started(self) -> bool:
        """Whether any byte of the response has left."""
        return self._head == b""

    async def run(self, app: ASGIApp) -> None:
        """Serve the request. An application that fails, or ends too early, ends the connection
        unless nothing was sent yet; then the client gets a plain 500."""
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._connection.abort()
            raise
        except Exception:
            logger.exception("the application failed")
            self._fail()
        else:
            if not self.complete and not self.disconnected:
                self._fail()
        finally:
            self._connection.served(self)
            # The scope refers back to us: undone by hand, nothing waits for the garbage collector.
            self._scope.pop("extensions", None)
            self.task = None

    def feed(self, data: bytes) -> int:
        """A piece of the request body came; returns how many bytes wait to be read."""
        if self.complete:
            return 0
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self._notify()
        return len(self._body)

    def end_of_body(self) -> None:
        """The request body is complete."""
        self._more = False
        self._notify()

    def lost(self) -> None:
        """The client has left."""
        if not self.complete:
            self.disconnected = True
            if self._on_departure is not None:
                self._on_departure()
        self._notify()

    def offer(self) -> None:
        """Let the application use it directly."""
        self._scope["extensions"] = {EXTENSION: self}

    def on_departure(self, callback: Callable[[], None] | None) -> bool:
        """See `Direct`."""
        self._on_departure = callback
        return not self.disconnected

    def whole_body(self) -> bytes | None:
        """See `Direct`."""
        if self._more or not self._news or self.disconnected:
            return None
        self._news = self.continue_expected = False
        body, self._body = self._body, b""
        return bytes(body)

    def answer(self, status: int, lines: bytes, body: bytes) -> bool:
        """See `Direct`."""
        if self._connection.outflow.full is not None or self._scope["method"] == "HEAD":
            return False
        if not self.disconnected:
            self._start(status, lines, len(body))
            self._send_body(body, False)
        return True

    def begin(self, status: int, lines: bytes) -> None:
        """See `Direct`."""
        self._start(status, lines, None)

    def part(self, data: bytes) -> bool:
        """See `Direct`."""
        if self._connection.outflow.full is not None:
            return False
        if not self.disconnected:
            self._send_body(data, True)
        return True

    async def receive(self) -> Message:
        """See ASGI."""
        if self.continue_expected:
            self.continue_expected = False
            self._connection.outflow.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._news and not self.disconnected and not self.complete:
            self._connection.resume_reading()
            self._waiter = self._connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        self._news = False
        data = bytes(self._body)
        self._body = b""
        return {"type": "http.request", "body": data, "more_body": self._more}

    async def send(self, message: Message) -> None:
        """See ASGI."""
        outflow = self._connection.outflow
        if outflow.full is not None and not self.disconnected:
            await outflow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.body":
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif self._head is None:
            self._begin(message["status"], message["headers"])
        else:
            raise RuntimeError(f"unexpected ASGI message {message['type']!r}")

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines: list[bytes] = []
        length: int | None = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                continue
            # Not `in`, which makes and drops an exception where it looks for a byte.
            if value.find(b"\n") >= 0 or value.find(b"\r") >= 0:
                raise RuntimeError(f"the value of response header {name!r} holds a line break")
            lines += (name, b": ", value, b"\r\n")
        self._start(status, b"".join(lines), length)

    def _start(self, status: int, lines: bytes, length: int | None) -> None:
        if self._more:
            # Whether the rest of the request still comes is not known, nor what would follow it.
            self.keep_alive = False
        framing = b""
        if self._scope["method"] == "HEAD" or status in _NO_BODY:
            length = None
        elif length is None and self._scope["http_version"] == "1.1":
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        elif length is None:
            # HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
            length = _UNTIL_CLOSE
            self.keep_alive = False
        self._left_to_send = length
        default = self._connection.default_lines()
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self._head = b"".join((STATUS_LINES[status], default, lines, framing, end))

    def _send_body(self, body: bytes, more: bool) -> None:
        head = self._head
        if head is None or self.complete:
            raise RuntimeError("body sent before the head or after the end")
        self._head = b""
        if self._chunked:
            if more:
                data = b"%s%x\r\n%s\r\n" % (head, len(body), body) if body else head
            elif body:
                data = b"%s%x\r\n%s\r\n0\r\n\r\n" % (head, len(body), body)
            else:
                data = head + b"0\r\n\r\n"
        elif self._left_to_send is None:
            data = head
        else:
            self._left_to_send -= len(body)
            if self._left_to_send < 0 or (0 < self._left_to_send < _ENDLESS and not more):
                raise RuntimeError("the body does not have the length that its header says")
            data = head + body if head else body
        if data:
            self._connection.outflow.write(data)
        if not more:
            self.complete = True
            self._notify()
            self._connection.response_complete(self)

    def _fail(self) -> None:
        if self.started or self.disconnected:
            self._connection.abort()
            return
        self._head = None
        self._connection.refuse_internally()

    def _notify(self) -> None:
        self._news = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
