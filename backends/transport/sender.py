"""Request bytes out, no faster than the runner takes them."""

from __future__ import annotations

import asyncio

from backends.transport.outbox import Outbox

_ONE_WRITE = 64 * 1024
"""Bodies up to this size are copied behind the head and leave in the same packet."""
_PIECE = 128 * 1024


class Sender:
    """Writes one request after the other; holds no copy of a large body, only a view of it.

    It needs no task: the socket's buffer running empty (`resume`) is what drives it on.
    """

    __slots__ = ("_outbox", "_paused", "_rest", "_transport")

    def __init__(self, transport: asyncio.WriteTransport, outbox: Outbox) -> None:
        self._outbox = outbox
        self._transport = transport
        self._rest: memoryview | None = None
        self._paused = False

    @property
    def busy(self) -> bool:
        """Whether a part of the request is still to go, or to be taken by the socket."""
        return self._paused or self._rest is not None

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request whose `head` lacks only its length."""
        size = len(body)
        if size <= _ONE_WRITE:
            self._outbox.post(
                self._transport, b"%bcontent-length: %d\r\n\r\n%b" % (head, size, body)
            )
        else:
            self._transport.write(b"%bcontent-length: %d\r\n\r\n" % (head, size))
            self._rest = memoryview(body)
            self._go_on()

    def stop(self) -> None:
        """Send no more of this request."""
        self._rest = None

    def pause(self) -> None:
        """The socket's buffer is full."""
        self._paused = True

    def resume(self) -> None:
        """The socket's buffer has room again."""
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        while self._rest is not None and not self._paused:
            piece = self._rest[:_PIECE]
            self._rest = self._rest[_PIECE:] if len(self._rest) > _PIECE else None
            self._transport.write(piece)
