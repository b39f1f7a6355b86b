"""Notice at once that the client has left, whatever the request is waiting for.

ASGI says so only to whoever awaits `receive()`; our own server has a shorter way (`direct.py`).
Anywhere else `receive()` has to be awaited. A task for that costs more than the rest of the
bookkeeping of a request, so the awaitable is stepped by hand: it runs up to the future it waits
for, and that future's callback steps it on. `receive()` of an ASGI server waits for a future of the
running loop and needs no task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, cast

from starlette.types import Message, Receive

from gateway.inference.body import ClientGone
from gateway.inference.direct import Direct


class Departure:
    """Cancels the task that entered it as soon as the client disconnects.

    Leaving the block turns that cancellation, and no other, into `ClientGone`; a client that has
    left before is noticed on entering it. Enter it only after the request body was read: what
    `receive()` yields from then on is dropped.
    """

    __slots__ = ("_direct", "_pending", "_receive", "_task", "left")

    def __init__(
        self, receive: Receive, task: asyncio.Task[Any], direct: Direct | None = None
    ) -> None:
        """`task` is the one that enters it. A server that is `direct` tells by itself."""
        self._receive = receive
        self._direct = direct
        self._task = task
        self._pending: Coroutine[Any, Any, Message] | None = None
        self.left = False

    def __enter__(self) -> Departure:
        if self._direct is not None:
            if not self._direct.on_departure(self._leave):
                raise ClientGone
            return self
        self._pending = self._begin()
        if self._gone(self._pending):
            raise ClientGone
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._direct is not None:
            self._direct.on_departure(None)
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.close()
        if self.left:
            others = self._task.uncancel()
            if kind is asyncio.CancelledError and not others:
                raise ClientGone from error

    def _begin(self) -> Coroutine[Any, Any, Message]:
        return cast("Coroutine[Any, Any, Message]", self._receive())

    def _on_progress(self, _done: object = None) -> None:
        pending = self._pending
        if pending is not None and self._gone(pending):
            self._leave()

    def _leave(self) -> None:
        self.left = True
        self._task.cancel()

    def _gone(self, pending: Coroutine[Any, Any, Message]) -> bool:
        """Step on to the next wait, where `_on_progress` is called; whether the client left."""
        try:
            waited = pending.send(None)
        except StopIteration as stop:
            self._pending = None
            if stop.value["type"] == "http.disconnect":
                return True
            self._pending = self._begin()
            waited = None
        if waited is None:
            asyncio.get_running_loop().call_soon(self._on_progress)
        else:
            # What `Task` does to say that it, and nobody else, awaits this future.
            waited._asyncio_future_blocking = False
            waited.add_done_callback(self._on_progress)
        return False
