"""Small ASGI applications to be served in tests."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]


async def read_body(receive: Receive) -> bytes:
    """The whole request body. Raises `ConnectionError` if the client leaves before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


async def reply(send: Send, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    """A complete answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with method, path and body."""
    body = await read_body(receive)
    await reply(send, b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body))


async def deny(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses without a look at the body."""
    await reply(send, b"no", 401)


async def deny_and_close(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses without a look at the body, and wants no more of it."""
    await reply(send, b"no", 413, (b"connection", b"close"))


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Streams as fast as the client reads, for as long as it stays."""
    gone = asyncio.create_task(_gone(receive))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        await asyncio.sleep(0)
    await gone


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Slow:
    """Answers when `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        await read_body(receive)
        await self.go.wait()
        await reply(send, scope["path"].encode())
