"""One client connection: HTTP/1.1 in, cycles out, bounded in size and time.

uvicorn listens, counts connections and shuts down; this is the protocol it is given (`http=`), in
place of its own, which costs twice as much for each request, has no limit on the size of a request
head or the time it takes, and answers faults in a shape that API clients cannot read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from backends.transport.known_head import Headers
from backends.transport.outbox import Outbox
from gateway.errors import GatewayError
from gateway.server import refusal
from gateway.server.cycle import Cycle
from gateway.server.limits import READ_AHEAD_BYTES, ConnectionLimits
from gateway.server.outflow import Outflow
from gateway.server.request_parser import RequestParser


class ClientConnection(asyncio.Protocol):
    """Serves the requests of one client, one after the other.

    The timer watches two things: a head that was begun must be complete in `limits.head_s`, and a
    connection without a request is closed after `limits.idle_s`. It is armed at most once for many
    requests and looks at `_deadline` when it fires.
    """

    limits: ConnectionLimits
    outbox: Outbox
    """Shared by the connections of one server."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.outflow: Outflow
        self._app: ASGIApp = config.loaded_app
        self._state = server_state
        self._parser: RequestParser | None = None
        """None before it is connected, and once nothing that comes can be a request any more."""
        self._transport: asyncio.Transport
        self._cycle: Cycle | None = None
        self._pipeline: deque[Cycle] = deque()
        self._incoming: Cycle | None = None
        """The cycle whose request body is being received."""
        self._reading = True
        self._deadline = 0.0
        self._default_headers: Headers = []
        self._default_lines = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.outflow = Outflow(self._transport, self.outbox, stall_s=self.limits.idle_s)
        self._state.connections.add(self)  # type: ignore[arg-type]  # it only calls shutdown()
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        base = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": own[:2] if isinstance(own, tuple) else None,
            "client": peer[:2] if isinstance(peer, tuple) else None,
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "root_path": "",
        }
        self._parser = RequestParser(self, base)
        if len(self._state.connections) > self.limits.connections:
            self._refuse(refusal.too_many_connections(self.limits.connections))
        else:
            self._watch(self.limits.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left, or was cut off."""
        self._state.connections.discard(self)
        for cycle in (self._cycle, *self._pipeline):
            if cycle is not None:
                cycle.lost()
        self._pipeline.clear()
        self.outflow.resume()
        self.outflow.stop()
        if self._timer is not None:
            self._timer.cancel()
        # Without these, a connection that a client left lives on until the garbage is collected.
        self._drop_parser()
        self._timer = self._cycle = self._incoming = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        parser = self._parser
        if parser is None or self._transport.is_closing():
            return
        try:
            parser.feed(data)
        except GatewayError as error:
            self._reject(error)
        else:
            if parser.in_head and parser.fresh_head:
                self._watch(self.limits.head_s)

    def eof_received(self) -> bool:
        """A client that has closed its sending side has left."""
        return False

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.outflow.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.outflow.resume()

    def shutdown(self) -> None:
        """uvicorn stops: let a running request finish, then close."""
        if self._cycle is None:
            self._close()
        else:
            self._cycle.keep_alive = False

    def abort(self) -> None:
        """Cut the connection: the client must see that its answer is not complete."""
        self.outflow.flush()
        self._transport.abort()

    def served(self, cycle: Cycle) -> None:
        """The application has returned, or failed."""
        if cycle.task is not None:
            self._state.tasks.discard(cycle.task)

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
        self._refuse(refusal.failed_inside())

    def response_complete(self, cycle: Cycle) -> None:
        """A response has left; the next request, if it came already, may begin."""
        self._state.total_requests += 1
        self._cycle = None
        if not cycle.keep_alive or cycle is self._incoming:
            self._close()
        elif self._pipeline:
            self._begin(self._pipeline.popleft())
        else:
            self.resume_reading()
            self._watch(self.limits.idle_s)

    def request_begins(
        self, scope: dict[str, Any], *, keep_alive: bool, continue_expected: bool
    ) -> None:
        """See `RequestSink`."""
        cycle = Cycle(self, scope, keep_alive=keep_alive, continue_expected=continue_expected)
        self._incoming = cycle
        self._take_on(cycle)

    def whole_request(self, scope: dict[str, Any], body: bytes) -> None:
        """See `RequestSink`."""
        self._take_on(Cycle(self, scope, body=body))

    def request_body(self, data: bytes) -> None:
        """See `RequestSink`."""
        if self._incoming is not None and self._incoming.feed(data) > READ_AHEAD_BYTES:
            self._pause_reading()

    def request_ends(self) -> None:
        """See `RequestSink`."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.end_of_body()

    def _close(self) -> None:
        """Close in a way that lets the client read what was sent, even while it still sends.

        Closing with unread bytes resets the connection, and a reset destroys what the client has
        not read yet; so what still comes is read and dropped for a moment.
        """
        parser = self._parser
        still_sending = self._incoming is not None or parser is None or parser.in_head
        self._drop_parser()
        self._incoming = None
        self.outflow.flush()
        if still_sending and self._transport.can_write_eof():
            self.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()
        self.outflow.cut_in(self.limits.linger_s)

    def _reject(self, error: GatewayError) -> None:
        """What came cannot be a request; an answer that is on its way is not disturbed by it."""
        self._drop_parser()
        running = self._cycle
        for cycle in self._pipeline:
            cycle.lost()
        self._pipeline.clear()
        if running is not None and running is not self._incoming:
            running.keep_alive = False
        elif running is not None and running.started:
            self.abort()
        else:
            # Nobody answers but us, and whoever was reading the request learns that it broke off.
            if running is not None:
                running.lost()
            self._refuse(error)

    def _drop_parser(self) -> None:
        """Nothing that comes can be a request any more."""
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.close()

    def _take_on(self, cycle: Cycle) -> None:
        cycle.offer()
        if self._cycle is None:
            self._begin(cycle)
        else:
            self._pipeline.append(cycle)
            self._pause_reading()

    def _begin(self, cycle: Cycle) -> None:
        self._cycle = cycle
        # Not by the loop, which takes half as long again for it, and makes a name for each.
        cycle.task = asyncio.Task(cycle.run(self._app), loop=self.loop, name="request")
        self._state.tasks.add(cycle.task)

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
        elif self._parser is not None and self._parser.in_head:
            self._refuse(refusal.head_too_late(self.limits.head_s))
        else:
            self._close()

    def _refuse(self, error: GatewayError) -> None:
        if self._transport.is_closing():
            return
        self.outflow.write(refusal.whole_response(error))
        self._close()


def client_connection(limits: ConnectionLimits) -> type[ClientConnection]:
    """The protocol class for a server with these limits."""
    own = {"limits": limits, "outbox": Outbox()}
    return type("LimitedClientConnection", (ClientConnection,), own)
