"""One client connection: HTTP/1.1 in, cycles out, bounded in size and time.

uvicorn listens, counts connections and shuts down; this is the protocol it is given (`http=`), in
place of its own, which costs twice as much for each request, has no limit on the size of a request
head or the time it takes, and answers faults in a shape that API clients cannot read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.api.wire import error_body, error_headers
from gateway.errors import GatewayError, InvalidRequest, Unavailable
from gateway.server.cycle import STATUS_LINES, Cycle
from gateway.server.limits import MAX_HEAD_BYTES, READ_AHEAD_BYTES, ConnectionLimits

Headers = list[tuple[bytes, bytes]]


class _HeadTooLarge(Exception):
    """Raised through the parser, which wraps it."""


class ClientConnection(asyncio.Protocol):
    """Serves the requests of one client, one after the other.

    The timer watches two things: a head that was begun must be complete in `limits.head_s`, and a
    connection without a request is closed after `limits.idle_s`. It is armed at most once for many
    requests and looks at `_deadline` when it fires.
    """

    limits: ConnectionLimits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.writable: asyncio.Future[None] | None = None
        """Set while the client reads too slowly; done when it has caught up."""
        self._app: ASGIApp = config.loaded_app
        self._state = server_state
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._scope_base: dict[str, Any]
        self._cycle: Cycle | None = None
        self._pipeline: deque[Cycle] = deque()
        self._incoming: Cycle | None = None
        """The cycle whose request body is being received."""
        self._headers: Headers = []
        self._url = b""
        self._continue_expected = False
        self._head_bytes = 0
        self._in_head = False
        self._reading = True
        self._deadline = 0.0
        self._default_headers: Headers = []
        self._default_lines = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._state.connections.add(self)  # type: ignore[arg-type]  # it only calls shutdown()
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._scope_base = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": own[:2] if isinstance(own, tuple) else None,
            "client": peer[:2] if isinstance(peer, tuple) else None,
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "root_path": "",
        }
        if len(self._state.connections) > self.limits.connections:
            self._refuse(_too_many(self.limits.connections))
        else:
            self._watch(self.limits.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left, or was cut off."""
        self._state.connections.discard(self)
        for cycle in (self._cycle, *self._pipeline):
            if cycle is not None:
                cycle.lost()
        self._pipeline.clear()
        self.resume_writing()
        if self._timer is not None:
            self._timer.cancel()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._parser is None or self._transport.is_closing():
            return
        if self._incoming is None:
            self._in_head = True
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is served as if it had asked for nothing; what follows it is dropped.
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError as error:
            large = isinstance(error.__context__, _HeadTooLarge)
            self._reject(_head_too_large() if large else _not_http())
        if self._in_head and self._parser is not None:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._reject(_head_too_large())
            elif self._head_bytes == len(data):
                self._watch(self.limits.head_s)

    def eof_received(self) -> bool:
        """A client that has closed its sending side has left."""
        return False

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self.writable is None:
            self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        """The client has caught up."""
        writable, self.writable = self.writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def shutdown(self) -> None:
        """uvicorn stops: let a running request finish, then close."""
        if self._cycle is None:
            self._transport.close()
        else:
            self._cycle.keep_alive = False

    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""
        if self.writable is not None:
            await asyncio.shield(self.writable)

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._transport.write(data)

    def abort(self) -> None:
        """Cut the connection: the client must see that its answer is not complete."""
        self._transport.abort()

    def resume_reading(self) -> None:
        """The application wants more of the request."""
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def default_lines(self) -> bytes:
        """The header lines of every response, such as the date."""
        headers = self._state.default_headers
        if headers is not self._default_headers:  # uvicorn makes a new list every second
            self._default_headers = headers
            self._default_lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return self._default_lines

    def refuse_internally(self) -> None:
        """The application failed before it had sent anything."""
        self._refuse(
            GatewayError(
                "The gateway failed; its log says more.",
                status=500,
                type="server_error",
                code="internal_error",
            )
        )

    def response_complete(self, cycle: Cycle) -> None:
        """A response has left; the next request, if it came already, may begin."""
        self._state.total_requests += 1
        self._cycle = None
        if not cycle.keep_alive:
            self._transport.close()
        elif self._pipeline:
            self._begin(self._pipeline.popleft())
        else:
            self.resume_reading()
            self._watch(self.limits.idle_s)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._headers = []
        self._url = b""
        self._continue_expected = False

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        name = name.lower()
        if name == b"expect":
            self._continue_expected = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: the request can be served while its body still comes."""
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            raise _HeadTooLarge
        self._in_head = False
        self._head_bytes = 0
        parser = self._parser
        url = httptools.parse_url(self._url)
        path = (url.path or b"/").decode("ascii")
        scope: dict[str, Any] = self._scope_base.copy()
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        scope["headers"] = self._headers
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        cycle = Cycle(
            self,
            scope,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            continue_expected=self._continue_expected,
        )
        self._incoming = cycle
        if self._cycle is None:
            self._begin(cycle)
        else:
            self._pipeline.append(cycle)
            self._pause_reading()

    def on_body(self, body: bytes) -> None:
        """A piece of a request body."""
        if self._incoming is not None and self._incoming.feed(body) > READ_AHEAD_BYTES:
            self._pause_reading()

    def on_message_complete(self) -> None:
        """The end of a request."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.end_of_body()

    def _size_of_head(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

    def _reject(self, error: GatewayError) -> None:
        """What came cannot be a request; an answer that is on its way is not disturbed by it."""
        if self._cycle is None:
            self._refuse(error)
            return
        self._parser = None
        self._cycle.keep_alive = False
        for cycle in self._pipeline:
            cycle.lost()
        self._pipeline.clear()
        if self._incoming is not None:
            self._transport.abort()  # the request that is being answered broke off itself

    def _begin(self, cycle: Cycle) -> None:
        self._cycle = cycle
        task = self.loop.create_task(cycle.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _watch(self, time_s: float) -> None:
        now = self.loop.time()
        self._deadline = now + time_s
        timer = self._timer
        if timer is None:
            self._timer = self.loop.call_at(self._deadline, self._time_over)
        elif timer.when() > self._deadline:
            timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._time_over)

    def _time_over(self) -> None:
        self._timer = None
        if self._cycle is not None:
            return
        if self.loop.time() < self._deadline - 0.001:
            self._timer = self.loop.call_at(self._deadline, self._time_over)
        elif self._in_head:
            self._refuse(_head_too_late(self.limits.head_s))
        else:
            self._transport.close()

    def _refuse(self, error: GatewayError) -> None:
        if self._transport.is_closing():
            return
        error.close = True
        body = error_body(error)
        lines = [STATUS_LINES[error.status]]
        for name, value in error_headers(error, body):
            lines += (name, b": ", value, b"\r\n")
        self._transport.write(b"".join([*lines, b"\r\n", body]))
        self._transport.close()


def client_connection(limits: ConnectionLimits) -> type[ClientConnection]:
    """The protocol class for a server with these limits."""
    return type("LimitedClientConnection", (ClientConnection,), {"limits": limits})


def _too_many(limit: int) -> Unavailable:
    return Unavailable(
        f"The gateway holds {limit} connections (server.max_connections) and takes no more now.",
        code="too_many_connections",
        retry_after_s=1.0,
    )


def _not_http() -> InvalidRequest:
    return InvalidRequest("This is not a valid HTTP/1.1 request.", code="invalid_http")


def _head_too_large() -> InvalidRequest:
    return InvalidRequest(
        f"The request head is larger than {MAX_HEAD_BYTES >> 10} KB.",
        code="headers_too_large",
        status=431,
    )


def _head_too_late(limit_s: float) -> InvalidRequest:
    return InvalidRequest(
        f"The request head did not arrive within {limit_s:g} s.",
        code="request_timeout",
        status=408,
    )
