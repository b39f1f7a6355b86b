"""The breaker, where the other side does what no proper server would; on both event loops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio as redis

from gateway.store import Script, Store, StoreDown
from gateway.store.endpoint import SingleEndpoint
from tests.fakes.eventually import eventually
from tests.fakes.stores import Server

pytestmark = pytest.mark.anyio

KEY = b"{sg:default}"
ECHO = Script("echo", "return cmsgpack.unpack(ARGV[1])")


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def answering(reply: bytes, open_now: list[int]) -> AsyncIterator[SingleEndpoint]:
    """A server that greets as it should and then answers every call with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now[0] += 1
        while data := await reader.read(65_536):
            writer.write(b"+OK\r\n" * data.count(b"SETINFO") or reply)
        open_now[0] -= 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SingleEndpoint(redis.Connection, {"host": "127.0.0.1", "port": port}, connect_s=0.3)
    finally:
        server.close()


async def test_a_stall_of_ours_is_not_taken_for_one_of_the_store(valkey_server: Server) -> None:
    store = Store(valkey_server.endpoint(), deadline_s=0.1)
    await store.open()
    await store.call(ECHO, KEY, 1)
    call = store.call(ECHO, KEY, 2)
    await asyncio.sleep(0)
    time.sleep(0.25)  # noqa: ASYNC251 - the stall; the reply lies in the socket by then
    assert await call == 2
    assert store.up
    await store.aclose()


@pytest.mark.parametrize("reply", [b"nonsense\r\n", b":1\r\n:2\r\n:3\r\n", b"*2\r\n:1\r\n?\r\n"])
async def test_a_reply_that_makes_no_sense_ends_the_connection(reply: bytes) -> None:
    open_now = [0]
    async with answering(reply, open_now) as endpoint:
        store = Store(endpoint, deadline_s=0.5)
        await store.open()
        call = store.call(ECHO, KEY, 1)
        await eventually(lambda: not store.up)
        assert "makes no sense" in str(store.failure)
        assert call.done()
        with pytest.raises(StoreDown):
            await store.call(ECHO, KEY, 1)
        await store.aclose()
        await eventually(lambda: open_now == [0])


async def test_a_server_that_does_not_greet_is_given_up_in_time() -> None:
    server = await asyncio.start_server(_mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    arguments = {"host": "127.0.0.1", "port": port}
    store = Store(SingleEndpoint(redis.Connection, arguments, connect_s=0.2))
    async with asyncio.timeout(3):
        with pytest.raises(StoreDown):
            await store.open()
    await store.aclose()
    server.close()


async def test_opening_that_is_cancelled_leaves_no_connection_open() -> None:
    open_now = [0]

    async def inspect(connection: object, at_home: bool) -> None:
        await asyncio.Event().wait()

    async with answering(b"+OK\r\n", open_now) as endpoint:
        store = Store(endpoint, inspect=inspect)
        opening = asyncio.create_task(store.open())
        await eventually(lambda: open_now == [1])
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await store.aclose()
        await eventually(lambda: open_now == [0])


async def _mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
