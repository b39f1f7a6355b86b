"""The caller's side of one exchange: sends each part of the response once."""

from __future__ import annotations

from starlette.types import Send

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.inference.direct import Direct
from gateway.wire import error_body, error_headers

_JSON = "content-type: application/json\r\n"
_EVENT_STREAM = (
    "content-type: text/event-stream; charset=utf-8\r\n"
    "cache-control: no-cache\r\n"
    "x-accel-buffering: no\r\n"
)


class Responder:
    """Answers one request. Awaiting any method may be cancelled; nothing is then left to undo.

    Headers are put together as text, which takes half as long as pairs of names and values. Their
    values are numbers, or names that were checked when they were read.
    """

    __slots__ = ("_direct", "_events", "_exchange", "_send", "started")

    def __init__(self, send: Send, exchange: Exchange, direct: Direct | None = None) -> None:
        self._send = send
        self._direct = direct
        self._exchange = exchange
        self._events = False
        self.started = False

    def answer(self, body: bytes) -> bool:
        """Send a complete JSON answer without waiting; False if `reply` has to be awaited."""
        offered = self._direct
        if offered is None or not offered.answer(200, self._reply_lines(body), body):
            return False
        self._note(200)
        return True

    async def reply(self, body: bytes) -> None:
        """Send a complete JSON answer; waits while the client reads too slowly."""
        await self._start(200, _pairs(self._reply_lines(body)))
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, *, events: bool) -> None:
        """Begin an answer of unknown length: an event stream, or a large JSON document."""
        self._events = events
        lines = self._lines(_EVENT_STREAM if events else _JSON)
        if self._direct is not None:
            self._direct.begin(200, lines)
            self._note(200)
        else:
            await self._start(200, _pairs(lines))

    def push(self, data: bytes) -> bool:
        """Send a part without waiting; False if `part` has to be awaited for it."""
        return self._direct is not None and self._direct.part(data)

    async def part(self, data: bytes) -> None:
        """Send a part; waits while the client reads too slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        await self._send({"type": "http.response.body", "body": data})

    async def error(self, error: GatewayError) -> None:
        """Send an error: as the whole answer, or as the last event of a stream that has begun.

        Another answer that has begun cannot say so; that it never ends is all there is.
        """
        body = error_body(error)
        if self.started:
            if self._events:
                await self.end(b"data: " + body + b"\n\n")
            return
        headers = [*_pairs(self._lines()), *error_headers(error, body)]
        await self._start(error.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._note(status)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _note(self, status: int) -> None:
        self.started = True
        self._exchange.status = status

    def _reply_lines(self, body: bytes) -> bytes:
        return self._lines(f"{_JSON}content-length: {len(body)}\r\n")

    def _lines(self, more: str = "") -> bytes:
        """The headers of every answer, and `more`, each line ended by CRLF."""
        exchange = self._exchange
        lines = f"x-request-id: {exchange.request_id}\r\n{more}"
        if exchange.runner is not None:
            lines += (
                f"x-sluicegate-queue-ms: {int(exchange.queue_s * 1000)}\r\n"
                f"x-sluicegate-runner: {exchange.runner}\r\n"
            )
        lines += exchange.limit_lines
        if exchange.clamped:
            lines += f"x-sluicegate-clamped: {', '.join(exchange.clamped)}\r\n"
        if exchange.ignored:
            lines += f"x-sluicegate-ignored: {', '.join(exchange.ignored)}\r\n"
        return lines.encode("ascii")


def _pairs(lines: bytes) -> list[tuple[bytes, bytes]]:
    """The same headers as ASGI wants them."""
    split = (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    return [(name, value) for name, _, value in split]
