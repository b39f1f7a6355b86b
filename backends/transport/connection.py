"""One connection to a runner: bytes in both directions, bounded in memory and in time."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from math import inf
from typing import cast

from backends.errors import BackendError, ConnectionLost, Phase, ReplyInvalid
from backends.transport.deadline import Deadline
from backends.transport.fault import connection_lost, too_slow
from backends.transport.outbox import Outbox
from backends.transport.pool import Pool
from backends.transport.reply_parser import ReplyParser
from backends.transport.response import Response
from backends.transport.sender import Sender
from backends.transport.timeouts import Timeouts

_READ_AHEAD = 256 * 1024
"""Body bytes held for a caller who does not ask for them; the rest stays in the socket."""
_KEEP_ALIVE_S = re.compile(rb"(?i)(?:^|[,\s])timeout=(\d{1,6})")


class Connection(asyncio.Protocol):
    """Serves one exchange at a time, and between two of them lies in its pool.

    States, told by the parser: no answer due (`complete`), head due, body due (`head_complete`).
    Whatever arrives while no answer is due ends the connection, because the next answer could not
    be told from it. `_error` is set once, when an exchange has failed, and is final for its
    caller.
    """

    __slots__ = (
        "_asked_at",
        "_deadline",
        "_error",
        "_head_due",
        "_loop",
        "_outbox",
        "_phase",
        "_pool",
        "_reading_paused",
        "_sender",
        "_timeouts",
        "_total_at",
        "_transport",
        "_waiter",
        "idle_limit_s",
        "parser",
        "silent",
        "url",
        "used",
    )

    def __init__(self, pool: Pool, url: str, outbox: Outbox) -> None:
        self.url = url
        self.parser = ReplyParser()
        self.used = False
        """Whether it has brought an answer before."""
        self.silent = True
        """Whether not one byte of the current answer has come."""
        self.idle_limit_s = inf
        """How long the runner said that it keeps an idle connection, less a margin."""
        self._pool = pool
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._sender: Sender | None = None
        self._error: BackendError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._head_due = False
        self._deadline = Deadline(self._loop, self._expired)
        self._timeouts = Timeouts()
        self._phase: Phase = "total"
        self._total_at = inf
        self._asked_at: float | None = None
        """When the caller first asked for the piece of body that is due."""
        self._reading_paused = False

    @property
    def alive(self) -> bool:
        """Whether it is connected."""
        return self._transport is not None

    # One exchange, as the transport and the response drive it

    async def exchange(
        self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float
    ) -> Response:
        """Send a request whose `head` lacks only its length, and wait for the response head.

        Cancelling it, or any error, cuts the connection at once.
        """
        parser = self.parser
        parser.begin(bodiless=head.startswith(b"HEAD "))
        self.silent = True
        self._timeouts = timeouts
        self._total_at = total_at
        self._head_due = True
        self._asked_at = None
        try:
            if self._sender is None:
                raise connection_lost(self.url, "before the request was sent", None)
            self._sender.send(head, body)
            await self._wait("first_byte", self._loop.time() + timeouts.first_byte_s)
            if not parser.head_complete and self._error is not None:
                raise self._error
        except BaseException:
            self._give_up()
            raise
        self._head_due = False
        response = Response(self, parser.status, parser.headers, self.used)
        if not self.used:
            self.used = True
            self.idle_limit_s = idle_limit_s(response.header(b"keep-alive"))
        return response

    def more(self) -> asyncio.Future[None]:
        """Await this until `take` has something to say. Asking again after a cancelled wait
        does not give the runner more time.
        """
        if self._asked_at is None:
            self._asked_at = self._loop.time()
        return self._wait("idle", self._asked_at + self._timeouts.idle_s)

    def limit_idle(self, idle_s: float) -> None:
        """Change how long the runner may pause between two pieces of the body."""
        self._timeouts = replace(self._timeouts, idle_s=idle_s)

    def take(self) -> bytes:
        """All body bytes that are here now. Raises what broke the connection if there are none."""
        self._asked_at = None
        if self._reading_paused:
            self._resume_reading()
        data = self.parser.take()
        if not data and self._error is not None and not self.parser.complete:
            raise self._error
        return data

    def release(self) -> None:
        """The caller is done with the answer: keep the connection if it is fit for another."""
        parser = self.parser
        if (
            parser.complete
            and parser.keep_alive
            and self._sender is not None
            and not self._sender.busy
            and not self._reading_paused
        ):
            if parser.parts:
                parser.take()
            self._pool.put(self, self._loop.time())
        else:
            self._give_up()

    def abort(self) -> None:
        """Cut the connection without waiting for anything. Idempotent."""
        self._deadline.stop()
        if self._transport is not None and self._sender is not None:
            self._sender.stop()
            self._transport.abort()

    def _give_up(self) -> None:
        """The caller is done, and nobody may follow."""
        self.abort()
        if self._error is not None:
            # The traceback of the one that was raised leads back to us, until the garbage is
            # collected.
            self._error = ConnectionLost(f"the connection to {self.url} was given up")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sender = Sender(self._transport, self._outbox)

    def data_received(self, data: bytes) -> None:
        parser = self.parser
        if parser.complete:
            parser.keep_alive = False
            self._pool.withdraw(self)
            self.abort()
            return
        self.silent = False
        try:
            parser.feed(data)
        except ReplyInvalid as exc:
            self._fail(ReplyInvalid(f"{self.url} sent {exc}"))
            return
        if parser.head_complete and parser.status >= 400 and self._sender is not None:
            # It has made up its mind; nobody would read the rest of the request.
            parser.keep_alive &= not self._sender.busy
            self._sender.stop()
        if parser.buffered > _READ_AHEAD and not (parser.complete or self._reading_paused):
            self._pause_reading()
        if parser.parts or parser.complete or (self._head_due and parser.head_complete):
            self._wake()

    def eof_received(self) -> None:
        parser = self.parser
        parser.keep_alive = False
        self._pool.withdraw(self)
        if not parser.complete:
            parser.end()
            if parser.complete:
                self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._pool.lost(self)
        self._transport = None
        self._sender = None
        if self.parser.complete:
            self.abort()
        else:
            self._fail(self._lost(exc))
        self.parser.close()

    def pause_writing(self) -> None:
        if self._sender is not None:
            self._sender.pause()

    def resume_writing(self) -> None:
        if self._sender is not None:
            self._sender.resume()

    # Waiting

    def _wait(self, phase: Phase, until: float) -> asyncio.Future[None]:
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("another task is waiting for this response already")
        if until < self._total_at:
            self._phase = phase
            self._deadline.move(until)
        else:
            self._phase = "total"
            self._deadline.move(self._total_at)
        # Not by uvloop, which takes twice as long for it.
        waiter = self._waiter = asyncio.Future(loop=self._loop)
        if self._error is not None:
            self._wake()
        return waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _fail(self, error: BackendError) -> None:
        if self._error is None:
            self._error = error
        self._wake()
        self.abort()

    def _expired(self) -> None:
        if self.parser.complete:
            return
        phase = self._phase
        if self._waiter is None or self._waiter.done():
            # The caller takes its time; only the total budget goes on running.
            phase = "total"
            if self._loop.time() < self._total_at:
                self._deadline.move(self._total_at)
                return
        self._fail(too_slow(self.url, phase, self._timeouts))

    # Receiving

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _lost(self, exc: Exception | None) -> ConnectionLost:
        if self._pool.closed:
            return ConnectionLost(f"the connection to {self.url} was cut: its transport was closed")
        if self.silent:
            return connection_lost(self.url, "without answering", exc)
        part = "answer" if self.parser.head_complete else "response head"
        return connection_lost(self.url, f"in the middle of its {part}", exc)


def idle_limit_s(keep_alive: bytes | None) -> float:
    """How long to keep a connection whose runner sent this Keep-Alive header.

    A second less than the runner will, so that no request crosses with its close.
    """
    match = _KEEP_ALIVE_S.search(keep_alive) if keep_alive is not None else None
    return max(0.5, int(match[1]) - 1.0) if match is not None else inf
