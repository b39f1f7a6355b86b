"""A client that sends a body, and the reading of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import InvalidRequest
from gateway.inference.body import BodyLimits, BodyReader

MEGABYTE = 1 << 20
TEXT = b'{"model": "llama3", "messages": []}' * 100


Message = dict[str, Any]


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT: Message = {"type": "http.disconnect"}


class Client:
    """What a client sends, message by message; after the last one it keeps silent."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.asked = asyncio.Event()
        """Set when everything was taken and more is waited for."""

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self._messages:
            return self._messages.pop(0)
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")


async def read(
    *messages: Message | bytes,
    receive: Callable[[], Awaitable[Message]] | None = None,
    declared: bytes | None = None,
    encoding: bytes | None = None,
    limit: int = MEGABYTE,
    time_s: float = 30.0,
    reader: BodyReader | None = None,
) -> bytes:
    task = asyncio.current_task()
    assert task is not None
    whole = [part(each, more=False) if isinstance(each, bytes) else each for each in messages]
    return await (reader or BodyReader()).read(
        receive or Client(*whole).receive,
        task=task,
        declared=declared,
        encoding=encoding,
        limits=BodyLimits(bytes=limit, time_s=time_s),
    )


async def refused(*messages: Message | bytes, **options: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await read(*messages, **options)
    return caught.value
