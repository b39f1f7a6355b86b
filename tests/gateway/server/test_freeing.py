"""A connection that has ended leaves nothing for the garbage collector, which seldom looks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.gateway.server.apps import deny_and_close, echo, flood
from tests.gateway.server.client import CHUNKED, GET, QUICK, post
from tests.gateway.serving import Wire, connect, eventually, serve

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes, and ends quietly when the client leaves: a logged error would keep the connection."""
    with suppress(ConnectionError):
        await echo(scope, receive, send)


async def _leaves_at_once(wire: Wire) -> None:
    wire.leave()


async def _leaves_after_an_answer(wire: Wire) -> None:
    await wire.send(post(b"x"))
    await wire.answer()
    wire.leave()


async def _leaves_after_many_answers(wire: Wire) -> None:
    for _ in range(3):
        await wire.send(post(b"x"))
        await wire.answer()
    wire.reset()


async def _leaves_in_a_head(wire: Wire) -> None:
    await wire.send(post(b"x")[:20])
    wire.reset()


async def _leaves_in_a_body(wire: Wire) -> None:
    await wire.send(CHUNKED + b"5\r\nhel")
    wire.reset()


async def _leaves_before_the_answers(wire: Wire) -> None:
    await wire.send(post(b"x") * 3)
    wire.reset()


async def _asks_for_another_protocol(wire: Wire) -> None:
    await wire.send(post(b"x", more=b"connection: upgrade\r\nupgrade: h2c\r\n"))
    await wire.answer()
    wire.leave()


async def _asks_to_close(wire: Wire) -> None:
    await wire.send(post(b"x", more=b"connection: close\r\n"))
    await wire.closed()


async def _sends_garbage(wire: Wire) -> None:
    await wire.send(b"\x00\x01\r\n\r\n")
    await wire.closed()


async def _sends_garbage_after_a_request(wire: Wire) -> None:
    await wire.send(post(b"x") + b"\x00\x01\r\n\r\n")
    await wire.closed()


async def _sends_half_a_head(wire: Wire) -> None:
    await wire.send(GET[:-2])
    await wire.closed()


async def _sends_nothing(wire: Wire) -> None:
    await wire.closed()


async def _leaves_mid_stream(wire: Wire) -> None:
    await wire.send(GET)
    await wire.reader.readuntil(b"\r\n\r\n")
    wire.reset()


async def _is_refused(wire: Wire) -> None:
    await wire.send(CHUNKED)
    await wire.closed()


@pytest.mark.parametrize(
    ("app", "client"),
    [
        (answer, _leaves_at_once),
        (answer, _leaves_after_an_answer),
        (answer, _leaves_after_many_answers),
        (answer, _leaves_in_a_head),
        (answer, _leaves_in_a_body),
        (answer, _leaves_before_the_answers),
        (answer, _asks_for_another_protocol),
        (answer, _asks_to_close),
        (answer, _sends_garbage),
        (answer, _sends_garbage_after_a_request),
        (answer, _sends_half_a_head),
        (answer, _sends_nothing),
        (flood, _leaves_mid_stream),
        (deny_and_close, _is_refused),
    ],
    ids=lambda value: value.__name__.strip("_"),
)
async def test_an_ended_connection_is_freed_without_the_garbage_collector(
    app: ASGIApp, client: Callable[[Wire], Awaitable[None]]
) -> None:
    async with serve(app, QUICK) as served:
        async with connect(served.port) as wire:
            await eventually(lambda: len(served.connections) == 1)
            connection = weakref.ref(served.connections[0])
            await client(wire)
        await eventually(lambda: not served.connections and not served.tasks)
        await eventually(lambda: connection() is None)
