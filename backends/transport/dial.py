"""Makes a connection to a runner, or says why it cannot be made."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from backends.errors import Phase
from backends.transport.address import Address
from backends.transport.connection import Connection
from backends.transport.fault import connect_failed, too_slow
from backends.transport.happy_eyeballs import first_to_connect, resolve
from backends.transport.timeouts import Timeouts
from backends.transport.tls import Tls

_PROBE_AFTER_S = 30
"""TCP keep-alive: sooner than the 60 s after which many middleboxes forget a silent connection,
such as one whose runner is reading a long prompt."""


class Dialer:
    """Connects to one address. The TLS context is built on first use, off the event loop."""

    __slots__ = ("_address", "_context", "_context_lock", "_is_name", "_tls")

    def __init__(self, address: Address, tls: Tls) -> None:
        self._address = address
        self._is_name = not _is_ip(address.host)
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._context_lock = asyncio.Lock()

    async def dial(self, connection: Connection, timeouts: Timeouts, total_at: float) -> None:
        """Connect `connection`. Raises `ConnectFailed` or `RunnerTimeout`; cancelling cuts it."""
        until = asyncio.get_running_loop().time() + timeouts.connect_s
        phase: Phase = "connect" if until <= total_at else "total"
        try:
            async with asyncio.timeout_at(min(until, total_at)):
                await self._connect(connection)
        except TimeoutError as exc:
            raise too_slow(self._address.url, phase, timeouts) from exc
        except (OSError, ValueError) as exc:
            raise connect_failed(self._address.url, exc) from exc

    async def _connect(self, connection: Connection) -> None:
        host, port = self._address.host, self._address.port
        context = await self._tls_context() if self._address.tls else None
        connect = partial(
            asyncio.get_running_loop().create_connection,
            lambda: connection,
            ssl=context,
            server_hostname=host if context is not None else None,
        )
        try:
            if not self._is_name:
                transport, _ = await connect(host, port)
            else:
                with _closed_on_failure(await first_to_connect(await resolve(host, port))) as sock:
                    transport, _ = await connect(sock=sock)
        except BaseException:
            connection.abort()
            if connection.alive:
                # Cancelled at the last moment of connecting, uvloop closes the socket and tells
                # nobody: the connection would live on until the garbage is collected.
                connection.connection_lost(None)
            raise
        if connection.alive:
            _tune(transport.get_extra_info("socket"))

    async def _tls_context(self) -> ssl.SSLContext:
        async with self._context_lock:
            if self._context is None:
                self._context = await asyncio.to_thread(self._tls.context)
            return self._context


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@contextmanager
def _closed_on_failure(sock: socket.socket) -> Iterator[socket.socket]:
    try:
        yield sock
    except BaseException:
        sock.close()
        raise


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)
