"""One connection that all requests of a process share.

Commands issued in one turn of the event loop, or while others are under way, leave in one write;
replies come in the order of the commands and resolve their futures. There is no pool and no task
for each command: a lease and its release cost a twentieth of what they cost through a client's
connection pool.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

import hiredis

from gateway.store.command import packed
from gateway.store.errors import StoreDown
from gateway.store.refusal import Refusal, meaning_of
from gateway.store.script import Script

logger = logging.getLogger(__name__)

MOST_PENDING = 20_000
"""Commands without a reply at which the store counts as down."""

MOST_REFUSED = 3
"""Commands that a server refuses in a row, being unable to serve, before it counts as down."""

_GRACE_S = 0.005

MOST_IN_FLIGHT = 1
"""Commands under way at which new ones wait for a reply, to leave together."""
MOST_TOGETHER = 64
"""Calls that leave as one: the server does nothing else meanwhile."""

_Future: TypeAlias = "Future[Any] | None"


class _Command:
    """One or more calls of a script, or a plain command, and what waits for each."""

    __slots__ = ("arguments", "bytes", "futures", "introduced", "key", "script", "sent_at")

    def __init__(
        self, future: _Future, script: Script | None, key: bytes, arguments: Any, bytes: bytes
    ) -> None:
        self.futures = [future]
        self.script = script
        self.key = key
        self.arguments = [arguments]
        self.bytes = bytes
        self.introduced = False
        """Whether the server has been told the script because of it."""
        self.sent_at = 0.0

    def pack(self) -> bytes:
        """What goes over the wire."""
        script = self.script
        if script is not None and not self.bytes:
            arguments = self.arguments if script.batched else self.arguments[0]
            self.bytes = script.command(self.key, arguments)
        return self.bytes


class Pipeline(asyncio.Protocol):
    """A connection that is open, authenticated and at rest, taken over from whoever opened it.

    A command that has no reply after `deadline_s` ends the connection: a store that is slow counts
    as one that is down. `on_lost` is called once, with the reason, when the connection has ended;
    `on_moved` when another server has the keys of a call, which fails.
    """

    def __init__(
        self,
        *,
        deadline_s: float,
        on_lost: Callable[[StoreDown], None],
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = deadline_s
        self._on_lost = on_lost
        self._on_moved = on_moved
        self._parser = hiredis.Reader(replyError=_ReplyError)
        self._pending: deque[_Command] = deque()
        self._unsent: list[_Command] = []
        self._refused = 0
        self._flushing = False
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

    def run(self, script: Script, key: bytes, arguments: Any) -> Future[Any]:
        """Call a script; the future yields its reply or raises `StoreDown`.

        Cancelling the future only gives up the reply: the command has left and takes effect.
        """
        future: Future[Any] = Future(loop=self._loop)
        self._add(future, script, key, arguments)
        return future

    def tell(self, script: Script, key: bytes, arguments: Any, *, at_once: bool = False) -> bool:
        """Call a script whose reply nobody needs, at half the cost; False if it was not sent.

        One that was sent may still be lost with the connection. `at_once`: somebody waits for what
        it does, so it leaves before anything else is done here, unless a batch is under way.
        """
        if self._lost is not None or len(self._pending) + len(self._unsent) >= MOST_PENDING:
            return False
        self._add(None, script, key, arguments)
        if at_once and len(self._pending) < MOST_IN_FLIGHT:
            self._flush()
        return True

    def command(self, *parts: bytes) -> Future[Any]:
        """Send a plain command; otherwise like `run`."""
        future: Future[Any] = Future(loop=self._loop)
        self._send_later(_Command(future, None, b"", None, packed(*parts)))
        return future

    def _add(self, future: _Future, script: Script, key: bytes, arguments: Any) -> None:
        unsent = self._unsent
        if unsent and script.batched:
            last = unsent[-1]
            # One that has its bytes is sent again, as it was.
            joins = last.script is script and last.key == key and not last.bytes
            if joins and len(last.futures) < MOST_TOGETHER:
                last.futures.append(future)
                last.arguments.append(arguments)
                return
        self._send_later(_Command(future, script, key, arguments, b""))

    def _send_later(self, command: _Command) -> None:
        if self._lost is not None or len(self._pending) + len(self._unsent) >= MOST_PENDING:
            _fail(command.futures, self._lost or StoreDown("too many commands are waiting"))
            return
        self._unsent.append(command)
        if not self._flushing and len(self._pending) < MOST_IN_FLIGHT:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        commands, self._unsent = self._unsent, []
        if self._transport is None or self._lost is not None or not commands:
            return
        now, data = self._loop.time(), []
        for command in commands:
            try:
                data.append(command.pack())
            except Exception as error:  # what cannot be packed must not be waited for
                logger.exception("a call of the store cannot be packed")
                _fail(command.futures, StoreDown(f"the call cannot be packed: {error}"))
                continue
            command.sent_at = now
            self._pending.append(command)
        self._transport.write(b"".join(data))
        if self._watch is None:
            self._watch = self._loop.call_later(self._deadline_s, self._look)

    def _look(self, late: _Command | None = None) -> None:
        """End the connection if the oldest command is overdue, else look again when it would be.

        It has to be found so twice: after a stall of ours its reply may lie unread in the socket,
        and timers come first.
        """
        self._watch = None
        if not self._pending:
            return
        oldest = self._pending[0]
        left_s = oldest.sent_at + self._deadline_s - self._loop.time()
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._look)
        elif oldest is late:
            self._lose(StoreDown(f"no reply within {self._deadline_s * 1000:.0f} ms"))
        else:
            self._watch = self._loop.call_later(_GRACE_S, self._look, oldest)

    def data_received(self, data: bytes) -> None:
        """Resolve the futures of the replies that are complete."""
        parser, pending, refused = self._parser, self._pending, self._refused
        try:
            parser.feed(data)
            while (reply := parser.gets()) is not False:
                command = pending.popleft()
                if isinstance(reply, _ReplyError):
                    refused = self._answer_refusal(command, str(reply), refused)
                    continue
                refused = 0
                if command.script is None or not command.script.batched:
                    reply = (reply,)
                for future, each in zip(command.futures, reply, strict=True):
                    if isinstance(each, _ReplyError):
                        self._answer_fault(command.script, future, str(each))
                    elif future is not None and not future.done():
                        future.set_result(each)
        except (hiredis.ProtocolError, IndexError, TypeError, ValueError) as error:
            self._lose(StoreDown(f"a reply that makes no sense: {error}"))
        self._refused = refused
        if self._unsent and not self._flushing and len(pending) < MOST_IN_FLIGHT:
            # Whoever these replies wake comes before it, and may have more to send.
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _answer_fault(self, script: Script | None, future: _Future, text: str) -> None:
        """One call of several went wrong."""
        assert script is not None
        _fail([future], StoreDown(f"script '{script.name}': {text}"))
        if meaning_of(text) is Refusal.FAULT:
            script.report_fault(text)

    def _answer_refusal(self, command: _Command, text: str, refused: int) -> int:
        """Do what an error reply asks for; return how many in a row say that it cannot serve."""
        script = command.script
        if script is None:
            _fail(command.futures, StoreDown(text))
            return refused
        meaning = meaning_of(text)
        if meaning is Refusal.UNKNOWN_SCRIPT and not command.introduced:
            command.introduced = True
            self._introduce(script)
            self._send_later(command)
            return refused
        failure = StoreDown(f"script '{script.name}': {text}")
        _fail(command.futures, failure)
        if meaning in (Refusal.FAULT, Refusal.UNKNOWN_SCRIPT):
            script.report_fault(text)
            return 0
        if meaning is Refusal.MOVED:
            self._on_moved()
            return refused
        if meaning is Refusal.ELSEWHERE or refused + 1 >= MOST_REFUSED:
            self._lose(failure)
        return refused + 1

    def _introduce(self, script: Script) -> None:
        """Tell the server a script; several calls may have found that it does not know it."""
        told = packed(*script.introduction())
        if not any(command.bytes == told for command in self._unsent):
            self._send_later(_Command(None, None, b"", None, told))

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
        lost = [*self._pending, *self._unsent]
        self._pending, self._unsent = deque(), []
        for command in lost:
            _fail(command.futures, reason)
        self._on_lost(reason)


def _fail(futures: Iterable[_Future], reason: StoreDown) -> None:
    for future in futures:
        if future is not None and not future.done():
            future.set_exception(StoreDown(str(reason)))
            # Nobody may be left to await it; that must not be reported as an error of ours.
            future.exception()


class _ReplyError(Exception):
    pass
