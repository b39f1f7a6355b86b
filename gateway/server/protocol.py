"""uvicorn's HTTP/1.1 protocol with what it leaves open: a client that never finishes its request
head, heads without end, more connections than we can hold, and errors in the API's own shape."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.api.wire import error_body, error_headers
from gateway.errors import GatewayError, InvalidRequest, Unavailable

MAX_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds on what a client may hold before it has sent a whole request head."""

    head_s: float
    connections: int


def bounded_protocol(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """The protocol class for a server with these limits."""

    class BoundedProtocol(HttpToolsProtocol):
        """One client connection. It has `limits.head_s` for each request head it begins."""

        _limits = limits
        _head_bytes = 0
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > self._limits.connections:
                self._refuse(
                    Unavailable(
                        f"The gateway holds {self._limits.connections} connections "
                        "(server.max_connections) and takes no more now.",
                        code="too_many_connections",
                        retry_after_s=1.0,
                    )
                )
            else:
                self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_head_timer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._head_timer is not None:
                self._head_bytes += len(data)
            elif self.cycle is not None and self.cycle.response_complete:
                self._head_bytes = len(data)
                self._await_head()
            super().data_received(data)
            if self._head_timer is not None and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(
                    InvalidRequest(
                        f"The request head is larger than {MAX_HEAD_BYTES >> 10} KB.",
                        code="headers_too_large",
                        status=431,
                        close=True,
                    )
                )

        def on_headers_complete(self) -> None:
            self._stop_head_timer()
            self._head_bytes = 0
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse(
                InvalidRequest(
                    "This is not a valid HTTP/1.1 request.", code="invalid_http", close=True
                )
            )

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(self._limits.head_s, self._head_too_late)

        def _stop_head_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _head_too_late(self) -> None:
            self._head_timer = None
            if not self._head_bytes:
                self.transport.close()
                return
            self._refuse(
                InvalidRequest(
                    f"The request head did not arrive within {self._limits.head_s:g} s.",
                    code="request_timeout",
                    status=408,
                    close=True,
                )
            )

        def _refuse(self, error: GatewayError) -> None:
            self._stop_head_timer()
            error.close = True
            body = error_body(error)
            lines = [STATUS_LINE[error.status]]
            for name, value in error_headers(error, body):
                lines += [name, b": ", value, b"\r\n"]
            self.transport.write(b"".join([*lines, b"\r\n", body]))
            self.transport.close()

        def _unsupported_upgrade_warning(self) -> None:
            """An upgrade we do not speak is no reason for a warning: the request is answered."""

    return BoundedProtocol

