"""What the server offers an application beyond ASGI."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from gateway.errors import InvalidRequest
from gateway.inference.body import BodyLimits, BodyReader
from gateway.inference.direct import direct
from tests.gateway.server.apps import reply
from tests.gateway.server.client import CHUNKED, post
from tests.gateway.serving import connect, serve

pytestmark = pytest.mark.anyio

_LINES = b"content-length: %d\r\nx-a: 1\r\n"


async def body_read(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body as the gateway reads it, of at most 20 bytes."""
    try:
        body = await BodyReader().read(
            receive,
            task=asyncio.current_task(),  # type: ignore[arg-type]  # an application has one
            declared=None,
            encoding=None,
            limits=BodyLimits(bytes=20, time_s=5.0),
            direct=direct(scope),
        )
    except InvalidRequest as error:
        await reply(send, error.message.encode(), error.status)
    else:
        await reply(send, body)


async def straight(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a message of ASGI where it can."""
    offered = direct(scope)
    assert offered is not None
    body = offered.whole_body()
    assert body is not None
    assert offered.whole_body() is None, "it was read already"
    if not offered.answer(200, _LINES % len(body), body):
        await reply(send, body)


async def in_parts(scope: Scope, receive: Receive, send: Send) -> None:
    """Streams three parts, the last one as a message."""
    offered = direct(scope)
    assert offered is not None
    offered.begin(200, b"x-a: 1\r\n")
    assert offered.part(b"one ")
    assert offered.part(b"two ")
    await send({"type": "http.response.body", "body": b"three"})


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (post(b"hello"), b"hello"),
        (post(b""), b""),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    ],
    ids=["with a length", "empty", "chunked"],
)
async def test_a_body_that_is_here_is_read_at_once(data: bytes, body: bytes) -> None:
    async with serve(body_read) as served, connect(served.port) as wire:
        for _ in range(2):  # the second time with a known head
            await wire.send(data)
            assert (await wire.answer()).body == body


async def test_a_body_that_comes_later_is_waited_for() -> None:
    async with serve(body_read) as served, connect(served.port) as wire:
        for _ in range(2):
            data = post(b"hello")
            await wire.send(data[:-5])
            await asyncio.sleep(0.01)
            await wire.send(data[-5:])
            assert (await wire.answer()).body == b"hello"


async def test_a_body_that_is_here_and_too_large_is_refused() -> None:
    async with serve(body_read) as served, connect(served.port) as wire:
        for _ in range(2):
            await wire.send(post(b"x" * 21))
            assert (await wire.answer()).status == 413


async def test_a_whole_answer_leaves_with_its_headers() -> None:
    async with serve(straight) as served, connect(served.port) as wire:
        for body in (b"hello", b"again"):
            await wire.send(post(body))
            answer = await wire.answer()
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers[b"x-a"] == b"1"
            assert b"date" in answer.headers


async def test_parts_and_messages_make_one_answer() -> None:
    async with serve(in_parts) as served, connect(served.port) as wire:
        for _ in range(2):
            await wire.send(post(b"hello"))
            answer = await wire.answer()
            assert (answer.status, answer.body) == (200, b"one two three")
            assert answer.headers[b"x-a"] == b"1"


async def test_an_older_client_gets_parts_until_the_connection_ends() -> None:
    async with serve(in_parts) as served, connect(served.port) as wire:
        await wire.send(post(b"hello").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await wire.closed()).endswith(b"\r\nconnection: close\r\n\r\none two three")
