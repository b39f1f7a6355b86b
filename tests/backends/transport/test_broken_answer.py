"""Answers that break off or make no sense end in the right error, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import math

import pytest

from backends.errors import BackendError, ConnectionLost, ReplyInvalid
from backends.transport import Timeouts
from backends.transport.connection import Connection
from backends.transport.outbox import Outbox
from backends.transport.pool import Pool
from tests.backends.transport.client import QUICK, client, eventually, fetch, post
from tests.fakes.bad_peer import BadPeer, Script, Wire, answer, chunk, chunked_head

pytestmark = pytest.mark.anyio


def cut(data: bytes, *, reset: bool = False) -> Script:
    """Read the request, send `data`, and end the connection."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(data)
        if reset:
            wire.reset()

    return script


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "without answering"),
        (b"HTTP/1.1 200", "in the middle of its response head"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n", "in the middle of its response head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of its response head"),
        (chunked_head(), "in the middle of its answer"),
        (chunked_head() + chunk(b"data"), "in the middle of its answer"),
        (chunked_head() + chunk(b"data")[:-4], "in the middle of its answer"),
        (chunked_head() + chunk(b"data") + b"0\r\n", "in the middle of its answer"),
        (answer(b"0123456789")[:-10], "in the middle of its answer"),
        (answer(b"0123456789")[:-1], "in the middle of its answer"),
    ],
)
async def test_an_answer_cut_short_is_a_lost_connection(
    data: bytes, where: str, reset: bool
) -> None:
    async with BadPeer(cut(data, reset=reset)) as peer, client(peer.url) as transport:
        with pytest.raises(ConnectionLost, match=f"{peer.url} closed the connection {where}"):
            await fetch(transport)
        await eventually(lambda: transport.open_connections == 0)
        assert len(peer.wires) == 1


@pytest.mark.parametrize(
    ("data", "stalls"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (chunked_head() + chunk(b"data"), False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False),
        (chunked_head() + chunk(b"data") + b"garbage", False),
        (b"", True),
        (chunked_head() + chunk(b"data"), True),
    ],
)
async def test_a_broken_connection_is_freed_without_the_garbage_collector(
    data: bytes, stalls: bool
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(data)
        if stalls:
            await wire.gone()

    slow = Timeouts(connect_s=5, first_byte_s=0.05, idle_s=0.05, total_s=5)
    async with BadPeer(script) as peer, client(peer.url) as transport:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                with pytest.raises(BackendError):
                    await fetch(transport, timeouts=slow if stalls else QUICK)
                await eventually(lambda: transport.open_connections == 0)
            left = [thing for thing in gc.get_objects() if isinstance(thing, Connection)]
        finally:
            gc.enable()
        assert left == []


async def test_a_body_that_only_the_close_would_end_is_not_ended_by_a_reset() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nso far"
    async with BadPeer(cut(data, reset=True)) as peer, client(peer.url) as transport:
        with pytest.raises(ConnectionLost):
            await fetch(transport)


async def test_what_came_before_the_cut_can_be_read_and_then_the_error_is_final() -> None:
    data = chunked_head() + chunk(b"one") + chunk(b"two")
    async with BadPeer(cut(data)) as peer, client(peer.url) as transport:
        response = await post(transport)
        await eventually(lambda: transport.open_connections == 0)
        assert await response.chunk() == b"onetwo"
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await response.chunk()
        response.close()


async def test_what_came_before_the_garbage_can_be_read() -> None:
    data = chunked_head() + chunk(b"good") + b"garbage"
    async with BadPeer(cut(data)) as peer, client(peer.url) as transport:
        response = await post(transport)
        assert await response.chunk() == b"good"
        with pytest.raises(ReplyInvalid):
            await response.chunk()
        response.close()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02F",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10**6 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000,
    ],
    ids=["another-protocol", "tls", "huge-header", "many-headers", "upgrade", "endless-interim"],
)
async def test_what_is_not_an_answer_is_invalid_and_names_the_runner(data: bytes) -> None:
    async with BadPeer(cut(data)) as peer, client(peer.url) as transport:
        with pytest.raises(ReplyInvalid, match=f"{peer.url} sent "):
            await fetch(transport)
        await eventually(lambda: transport.open_connections == 0)


async def test_a_runner_that_talks_before_it_is_asked_is_not_believed() -> None:
    async def eager(wire: Wire) -> None:
        await wire.send(answer(b"eager"))
        await wire.gone()

    pool = Pool(idle_s=4, max_idle=1)
    async with BadPeer(eager) as peer:
        connection = Connection(pool, peer.url, Outbox())
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, "127.0.0.1", peer.port)
        await eventually(lambda: not connection.alive)
        with pytest.raises(ConnectionLost, match="before the request was sent"):
            await connection.exchange(b"GET / HTTP/1.1\r\n", b"", QUICK, math.inf)


async def test_an_early_refusal_is_read_although_the_request_was_not() -> None:
    async def refuse(wire: Wire) -> None:
        await wire.request_head()
        await wire.send(answer(b"too large", status=413))
        await wire.gone()

    async with BadPeer(refuse) as peer, client(peer.url) as transport:
        response = await post(transport, bytes(32 * 2**20))
        assert response.status == 413
        assert await response.read(100) == b"too large"
        response.close()
        assert transport.idle_connections == 0
        await eventually(lambda: transport.open_connections == 0)
        await eventually(lambda: peer.open_connections == 0)


async def test_a_refusal_followed_by_a_reset_never_hangs() -> None:
    async def refuse(wire: Wire) -> None:
        await wire.request_head()
        await wire.send(answer(b"too large", status=413))
        wire.reset()

    async with BadPeer(refuse) as peer, client(peer.url) as transport:
        try:
            response = await post(transport, bytes(32 * 2**20))
        except ConnectionLost:
            pass  # The reset destroyed the answer on its way: TCP allows that.
        else:
            assert response.status == 413
            response.close()
        await eventually(lambda: transport.open_connections == 0)


async def test_a_runner_that_goes_on_sending_after_we_closed_leaves_nothing_behind() -> None:
    async def flood(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        while True:
            await wire.send(chunk(bytes(65536)))

    async with BadPeer(flood) as peer, client(peer.url) as transport:
        response = await post(transport)
        await response.chunk()
        response.close()
        async with asyncio.timeout(1):
            await eventually(lambda: transport.open_connections == 0)
            await eventually(lambda: peer.open_connections == 0)
