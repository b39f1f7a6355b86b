"""One answer of a runner, as its caller sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.errors import ReplyInvalid

if TYPE_CHECKING:
    from backends.transport.connection import Connection


class Response:
    """An answer whose head is here and whose body may still be coming.

    It owns its connection until `close()`, which must be called exactly when the caller is done.
    Cancelling a read loses no byte; the connection is only given up by `close()`.
    """

    __slots__ = ("_connection", "headers", "reused", "status")

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: list[tuple[bytes, bytes]],
        reused: bool,
    ) -> None:
        self._connection: Connection | None = connection
        self.status = status
        self.headers = headers
        """In the order they came, names in lower case."""
        self.reused = reused
        """Whether it came over a connection that had served before."""

    def header(self, name: bytes) -> bytes | None:
        """The first header called `name` (lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived, read or not."""
        connection = self._connection
        return connection is None or connection.parser.complete

    async def chunk(self) -> bytes:
        """Every body byte that is here, waiting for at least one; `b""` = cleanly ended.

        Raises `ConnectionLost` (a body cut short included), `RunnerTimeout`, `ReplyInvalid`.
        """
        connection = self._held()
        parser = connection.parser
        if not parser.parts and not parser.complete:
            await connection.more()
        return connection.take()

    def limit_idle(self, idle_s: float) -> None:
        """From now on the runner may pause for `idle_s` between two pieces of the body."""
        self._held().limit_idle(idle_s)

    def whole(self, limit: int) -> bytes | None:
        """The body, if all of it is here and it is no longer than `limit` bytes; else None, and
        nothing was read. Nearly every answer is, and not worth a coroutine.
        """
        connection = self._held()
        parser = connection.parser
        return connection.take() if parser.complete and parser.buffered <= limit else None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `ReplyInvalid` beyond `limit` bytes, else as `chunk`."""
        here = self.whole(limit)
        if here is not None:
            return here
        data, ended = await self.read_up_to(limit)
        if not ended:
            raise ReplyInvalid(f"{self._held().url} answered with more than {limit} bytes")
        return data

    async def read_up_to(self, limit: int) -> tuple[bytes, bool]:
        """The body until it ends or is longer than `limit` bytes, and whether it has ended.

        Raises as `chunk`. What lies beyond may be had from `chunk` afterwards.
        """
        connection = self._held()
        if connection.parser.complete:
            data = connection.take()
            return data, len(data) <= limit
        parts: list[bytes] = []
        size = 0
        while size <= limit:
            data = await self.chunk()
            if not data:
                return b"".join(parts), True
            parts.append(data)
            size += len(data)
        return b"".join(parts), False

    def close(self) -> None:
        """Give the connection up: back to the pool if the body is complete, else cut at once.

        Idempotent. A runner notices the cut and stops generating.
        """
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.release()

    def _held(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("this response is closed")
        return self._connection
