"""The caller's side of one exchange: sends each part of the response once."""

from __future__ import annotations

from starlette.types import Send

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.inference.direct import Direct
from gateway.wire import error_body, error_headers

_JSON = (b"content-type", b"application/json")
_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Responder:
    """Answers one request. Awaiting any method may be cancelled; nothing is then left to undo."""

    __slots__ = ("_direct", "_exchange", "_send", "started")

    def __init__(self, send: Send, exchange: Exchange, direct: Direct | None = None) -> None:
        self._send = send
        self._direct = direct
        self._exchange = exchange
        self.started = False

    async def reply(self, body: bytes) -> None:
        """Send a complete JSON answer."""
        headers = self._headers()
        headers.append(_JSON)
        headers.append((b"content-length", b"%d" % len(body)))
        if self._direct is not None and self._direct.answer(200, headers, body):
            self.started = True
            self._exchange.status = 200
            return
        await self._start(200, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, *, events: bool) -> None:
        """Begin an answer of unknown length: an event stream, or a large JSON document."""
        headers = self._headers()
        headers.extend(_EVENT_STREAM if events else [_JSON])
        await self._start(200, headers)

    async def part(self, data: bytes) -> None:
        """Send a part; waits while the client reads too slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        await self._send({"type": "http.response.body", "body": data})

    async def error(self, error: GatewayError) -> None:
        """Send an error as the whole answer. Only before anything else was sent."""
        body = error_body(error)
        headers = self._headers()
        headers.extend(error_headers(error, body))
        await self._start(error.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        self._exchange.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        exchange = self._exchange
        headers = [(b"x-request-id", exchange.request_id.encode("ascii"))]
        if exchange.runner is not None:
            headers.append((b"x-sluicegate-queue-ms", b"%d" % (exchange.queue_s * 1000)))
            headers.append((b"x-sluicegate-runner", exchange.runner.encode("ascii")))
        if exchange.ignored:
            headers.append((b"x-sluicegate-ignored", ", ".join(exchange.ignored).encode("ascii")))
        return headers
