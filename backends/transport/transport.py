"""The client of one runner: requests in, responses out, connections kept in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from backends.errors import ConnectFailed, ConnectionLost, RunnerTimeout
from backends.transport.address import Address
from backends.transport.connection import Connection
from backends.transport.dial import Dialer
from backends.transport.head import Header, request_head
from backends.transport.outbox import Outbox
from backends.transport.pool import Pool
from backends.transport.response import Response
from backends.transport.timeouts import Timeouts
from backends.transport.tls import Tls

_DEFAULT_TIMEOUTS = Timeouts()


class Transport:
    """Keeps connections to one runner and sends requests over them.

    It follows no redirects, takes no proxies from the environment, keeps no cookies and asks for
    no compression. `idle_s` must be shorter than the runner keeps idle connections; a runner that
    announces less (`Keep-Alive: timeout=N`) is heeded. Raises `ValueError` for a bad url or header.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: Tls | None = None,
        idle_s: float = 4.0,
        max_idle: int = 256,
        headers: Sequence[Header] = (),
    ) -> None:
        self._address = Address.parse(url)
        self.url = self._address.url
        """For messages: carries no credentials."""
        self._headers = tuple(headers)
        self._dialer = Dialer(self._address, tls or Tls())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = Pool(idle_s, max_idle)
        self._outbox = Outbox()
        self.head("GET", "/")

    @property
    def open_connections(self) -> int:
        """Connections that are open, idle ones included."""
        return self._pool.open_connections

    @property
    def idle_connections(self) -> int:
        """Connections that wait for the next request."""
        return self._pool.idle_connections

    def head(self, method: str, path: str, headers: Sequence[Header] = ()) -> bytes:
        """The fixed part of a request head, to be made once and sent often.

        `path` is appended to the url's own. Raises `ValueError` when a part could smuggle more
        than it says (CR, LF, NUL), or names a header that the transport sets itself.
        """
        return request_head(self._address, method, path, (*self._headers, *headers))

    async def send(
        self,
        head: bytes,
        body: bytes = b"",
        *,
        extra: bytes = b"",
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
    ) -> Response:
        """Send a request and return once the response head is here, whatever its status.

        `extra` are further header lines, each ended by CRLF; they are not checked. The caller owns
        the response and must `close()` it. Raises `ConnectFailed`, `ConnectionLost`,
        `RunnerTimeout`, `ReplyInvalid`. Cancelling it closes the connection at once.

        A kept connection that dies before the first byte of the answer has most likely been closed
        by the runner before it saw the request, so the request is sent once more, on a new one.
        """
        loop = self._loop
        if loop is None:  # asked for once: each time costs a system call
            loop = self._loop = asyncio.get_running_loop()
        now = loop.time()
        total_at = now + timeouts.total_s
        if extra:
            head += extra
        connection = self._pool.take(now)
        if connection is None:
            connection = await self._connect(timeouts, total_at)
        else:
            try:
                return await connection.exchange(head, body, timeouts, total_at)
            except ConnectionLost as exc:
                if not connection.silent or self._pool.closed:
                    raise
                connection = await self._reconnect(exc, timeouts, total_at)
        return await connection.exchange(head, body, timeouts, total_at)

    async def aclose(self) -> None:
        """Cut every connection; whoever waits for a response gets `ConnectionLost`.

        Returns once all are closed. Idempotent. Connections still being made are cut when they are,
        after which their callers get `ConnectFailed`, as does every later `send`.
        """
        await self._pool.aclose()

    async def _connect(self, timeouts: Timeouts, total_at: float) -> Connection:
        if not self._pool.closed:
            connection = Connection(self._pool, self.url, self._outbox)
            await self._dialer.dial(connection, timeouts, total_at)
            if not self._pool.closed:
                self._pool.adopt(connection)
                return connection
            connection.abort()
        raise ConnectFailed(f"cannot connect to {self.url}: its transport is closed")

    async def _reconnect(
        self, lost: ConnectionLost, timeouts: Timeouts, total_at: float
    ) -> Connection:
        try:
            return await self._connect(timeouts, total_at)
        except (ConnectFailed, RunnerTimeout) as exc:
            # These say that the runner was not reached. The first time it may have been.
            raise ConnectionLost(f"{lost}; then: {exc}") from exc
