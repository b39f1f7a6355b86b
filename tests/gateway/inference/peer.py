"""A client as ASGI shows it, and ways to wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Message = dict[str, Any]
LEFT: Message = {"type": "http.disconnect"}
MORE: Message = {"type": "http.request", "body": b"more", "more_body": False}


class Peer:
    """A `receive` whose messages are given one after the other, as an ASGI server would."""

    def __init__(self, *messages: Message) -> None:
        self._messages = deque(messages)
        self._news = asyncio.Event()
        self.receiving = 0
        """Calls of `receive` that have not returned."""

    def give(self, message: Message) -> None:
        self._messages.append(message)
        self._news.set()

    async def receive(self) -> Message:
        self.receiving += 1
        try:
            while not self._messages:
                self._news.clear()
                await self._news.wait()
            return self._messages.popleft()
        finally:
            self.receiving -= 1


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


@contextmanager
def nothing_reported() -> Iterator[None]:
    """The loop's handler of stray errors is not called."""
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(before)
    assert not reported
