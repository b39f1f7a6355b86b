"""A client that leaves, as real servers tell of it."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.inference.body import ClientGone
from gateway.inference.departure import Departure
from tests.fakes.garbage import only_new_objects
from tests.gateway.inference.peer import (
    current,
    forever,
    nothing_reported,
)
from tests.gateway.serving import Wire, connect, eventually, serve

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    with only_new_objects(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


servers = pytest.mark.parametrize("server", [{}, {"http": "httptools"}], ids=["ours", "uvicorn's"])

BODY = b'{"hello": "world"}'
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Watched:
    """An application that reads its body and then does `work` under a `Departure`."""

    def __init__(self, work: Callable[[Send], Awaitable[None]]) -> None:
        self._work = work
        self.working = 0
        self.ends: list[str] = []
        self.leaked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.working += 1
        try:
            with Departure(receive, current()):
                await self._work(send)
        except ClientGone:
            self.ends.append("gone")
        except BaseException as error:
            self.ends.append(type(error).__name__)
            raise
        else:
            self.ends.append("done")
        finally:
            self.leaked += current().cancelling()
            self.working -= 1


async def reply(send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


async def slow(send: Send) -> None:
    await forever()


async def stream_without_end(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0)


@servers
@pytest.mark.parametrize("go", [Wire.leave, Wire.reset])
@pytest.mark.parametrize("work", [slow, stream_without_end])
async def test_a_client_that_leaves_is_noticed_at_once(
    work: Callable[[Send], Awaitable[None]], go: Callable[[Wire], None], server: dict[str, Any]
) -> None:
    app = Watched(work)
    with nothing_reported():
        async with serve(app, **server) as served, connect(served.port) as wire:
            await wire.send(REQUEST)
            await eventually(lambda: app.working == 1)
            go(wire)
            await eventually(lambda: app.working == 0, within_s=1.0)
    assert app.ends == ["gone"]
    assert app.leaked == 0


async def test_a_client_that_does_not_read_is_noticed_when_it_leaves() -> None:
    app = Watched(stream_without_end)
    async with serve(app) as served, connect(served.port) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(REQUEST)
        await eventually(lambda: app.working == 1)
        await eventually(lambda: any(each.outflow.full is not None for each in served.connections))
        wire.reset()
        await eventually(lambda: app.working == 0)
    assert app.ends == ["gone"]


@servers
async def test_answers_on_a_kept_connection_are_no_departures(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        for _ in range(3):
            await wire.send(REQUEST)
            assert (await wire.answer()).body == b"ok"
    assert app.ends == ["done"] * 3


@servers
async def test_a_body_in_pieces_is_no_departure(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"5\r\nhello\r\n", b"1\r\n!\r\n", b"0\r\n\r\n"):
            await wire.send(piece)
            await asyncio.sleep(0.01)
        assert (await wire.answer()).status == 200
    assert app.ends == ["done"]


@servers
async def test_a_large_body_that_paused_the_connection_does_not_hide_a_departure(
    server: dict[str, Any],
) -> None:
    app = Watched(slow)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n")
        await wire.send(b"x" * 3_000_000)
        await eventually(lambda: app.working == 1)
        wire.leave()
        await eventually(lambda: app.working == 0)
    assert app.ends == ["gone"]


@servers
async def test_a_pipelined_request_is_no_departure_and_gets_its_answer(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(REQUEST * 3)
        for _ in range(3):
            assert (await wire.answer()).status == 200
    assert app.ends == ["done"] * 3
