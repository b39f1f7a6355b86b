"""One connection that all requests of a process share.

Commands issued in one turn of the event loop leave in one write; replies come in the order of the
commands and resolve their futures. There is no pool and no task for each command: a lease and its
release cost a twentieth of what they cost through a client's connection pool.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

from gateway.store.errors import StoreDown
from gateway.store.script import Script

MOST_PENDING = 20_000
"""Commands without a reply at which the store counts as down."""


class Pipeline(asyncio.Protocol):
    """A connection that is open, authenticated and at rest, taken over from whoever opened it.

    A command that has no reply after `deadline_s` ends the connection: a store that is slow counts
    as one that is down. `on_lost` is called once, with the reason, when the connection has ended.
    """

    def __init__(self, *, deadline_s: float, on_lost: Callable[[StoreDown], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = deadline_s
        self._on_lost = on_lost
        self._parser = hiredis.Reader(replyError=_ReplyError)
        self._pending: deque[_Command] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._lost: StoreDown | None = None

    def take_over(self, transport: asyncio.BaseTransport, *, former: object) -> None:
        """Begin to read from a connection; nothing may be unread on it.

        `former` is whatever asyncio would cut the connection for when it is thrown away.
        """
        self._former = former
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_protocol(self)
        self._transport.resume_reading()

    @property
    def pending(self) -> int:
        """Commands that wait for their reply."""
        return len(self._pending)

    def run(self, script: Script, key: bytes, arguments: Any) -> asyncio.Future[Any]:
        """Call a script; the future yields its reply or raises `StoreDown`.

        Cancelling the future only gives up the reply: the command has left and takes effect.
        """
        command = script.command(key, arguments)
        return self._issue(_Command(self._loop.create_future(), self._loop.time(), script, command))

    def command(self, *parts: bytes) -> asyncio.Future[Any]:
        """Send a plain command; otherwise like `run`."""
        packed = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)
        return self._issue(_Command(self._loop.create_future(), self._loop.time(), None, packed))

    def _issue(self, command: _Command) -> asyncio.Future[Any]:
        if self._lost is not None or len(self._pending) >= MOST_PENDING:
            command.future.set_exception(self._lost or StoreDown("too many commands are waiting"))
            return command.future
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(command.bytes)
        self._pending.append(command)
        if self._watch is None:
            self._watch = self._loop.call_later(self._deadline_s, self._look)
        return command.future

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and self._lost is None:
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _look(self) -> None:
        """End the connection if the oldest command is overdue, else look again when it would be."""
        self._watch = None
        if not self._pending:
            return
        left_s = self._pending[0].sent_at + self._deadline_s - self._loop.time()
        if left_s <= 0:
            self._lose(StoreDown(f"no reply within {self._deadline_s * 1000:.0f} ms"))
        else:
            self._watch = self._loop.call_later(left_s, self._look)

    def data_received(self, data: bytes) -> None:
        """Resolve the futures of the replies that are complete."""
        parser, pending = self._parser, self._pending
        try:
            parser.feed(data)
            while (reply := parser.gets()) is not False:
                command = pending.popleft()
                if isinstance(reply, _ReplyError):
                    self._refused(command, str(reply))
                elif not command.future.done():
                    command.future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self._lose(StoreDown(f"a reply that makes no sense: {error}"))

    def _refused(self, command: _Command, text: str) -> None:
        script = command.script
        if script is not None and text.startswith("NOSCRIPT"):
            again = script.command_with_text(command.bytes)
            self._issue(_Command(command.future, self._loop.time(), script, again))
            return
        failure = StoreDown(f"script '{script.name}': {text}" if script is not None else text)
        if not command.future.done():
            command.future.set_exception(failure)
        if text.startswith(_ENDING):
            self._lose(failure)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, by whichever side."""
        self._lose(StoreDown(f"the connection ended ({exc or 'closed by the store'})"))

    def close(self) -> None:
        """End the connection; what has no reply yet fails. Idempotent."""
        self._lose(StoreDown("the connection was closed"))

    def _lose(self, reason: StoreDown) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        pending, self._pending = self._pending, deque()
        for command in pending:
            if not command.future.done():
                command.future.set_exception(StoreDown(str(reason)))
                # Nobody may be left to await it; that must not be reported as an error of ours.
                command.future.exception()
        self._on_lost(reason)


class _Command:
    __slots__ = ("bytes", "future", "script", "sent_at")

    def __init__(
        self, future: asyncio.Future[Any], sent_at: float, script: Script | None, command: bytes
    ) -> None:
        self.future = future
        self.sent_at = sent_at
        self.script = script
        self.bytes = command


class _ReplyError(Exception):
    pass


_ENDING = (
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "NOPERM",
    "UNKILLABLE",
)
"""Errors that another server, or this one later, would not give: connect anew."""
