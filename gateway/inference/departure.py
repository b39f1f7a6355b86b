"""Notice at once that the client has left, whatever the request is waiting for.

ASGI says so only to whoever awaits `receive()`. A task for that costs more than the rest of the
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


class Departure:
    """Cancels the task that entered it as soon as the client disconnects.

    Leaving the block turns that cancellation, and no other, into `ClientGone`. Enter it only after
    the request body was read: what `receive()` yields from then on is dropped.
    """

    __slots__ = ("_pending", "_receive", "_task", "left")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[Any] | None = None
        self._pending: Coroutine[Any, Any, Message] | None = None
        self.left = False

    def __enter__(self) -> Departure:
        self._task = asyncio.current_task()
        self._watch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.close()
        if self.left and self._task is not None:
            self._task.uncancel()
            if kind is asyncio.CancelledError:
                raise ClientGone from error

    def _watch(self) -> None:
        self._pending = cast("Coroutine[Any, Any, Message]", self._receive())
        self._step()

    def _step(self, _done: object = None) -> None:
        pending = self._pending
        if pending is None:
            return
        try:
            waited = pending.send(None)
        except StopIteration as stop:
            self._pending = None
            if stop.value["type"] == "http.disconnect":
                self._leave()
            else:
                self._watch()
            return
        if waited is None:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            # What `Task` does to say that it, and nobody else, awaits this future.
            waited._asyncio_future_blocking = False
            waited.add_done_callback(self._step)

    def _leave(self) -> None:
        self.left = True
        if self._task is not None:
            self._task.cancel()
