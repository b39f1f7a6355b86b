"""Requests that never end, are too large, or are none."""

from __future__ import annotations

import asyncio
import logging
import random
import time

import pytest
from starlette.types import Receive, Scope, Send

from gateway.server.limits import MAX_HEAD_BYTES, ConnectionLimits
from tests.gateway.server.apps import Slow, deny, echo
from tests.gateway.server.client import CHUNKED, GET, QUICK, post, refused
from tests.gateway.serving import connect, eventually, serve

pytestmark = pytest.mark.anyio

# Heads that never end


async def test_a_head_that_does_not_come_to_its_end_is_refused_with_408() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\n")
        message = await refused(wire, 408, "request_timeout")
        assert "within 0.15 s" in message


async def test_a_head_that_trickles_gets_no_more_time() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        began = asyncio.get_running_loop().time()

        async def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 1000:
                await wire.send(bytes([byte]))
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        await refused(wire, 408, "request_timeout")
        assert asyncio.get_running_loop().time() - began < 2
        trickling.cancel()
        await asyncio.wait([trickling])


async def test_a_second_head_that_does_not_end_is_refused_too() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(post(b"x"))
        await wire.answer()
        await wire.send(b"GET /")
        await refused(wire, 408, "request_timeout")


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        assert await wire.closed() == b""


async def test_an_idle_connection_outlives_the_time_for_a_head() -> None:
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=30.0)
    async with serve(echo, limits) as served, connect(served.port) as wire:
        for _ in range(3):
            await wire.send(GET)
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.12)


async def test_stray_line_ends_between_requests_do_not_begin_a_head() -> None:
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=30.0)
    async with serve(echo, limits) as served, connect(served.port) as wire:
        await wire.send(post(b"x"))
        assert (await wire.answer()).status == 200
        await wire.send(b"\r\n")
        await asyncio.sleep(0.12)
        await wire.send(GET)
        assert (await wire.answer()).body == b"GET /g "


async def test_an_idle_connection_is_closed_in_the_end() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(GET)
        assert (await wire.answer()).status == 200
        assert await wire.closed() == b""


async def test_a_request_in_progress_is_not_killed_by_any_timer() -> None:
    app = Slow()
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=0.05)
    async with serve(app, limits) as served, connect(served.port) as wire:
        await wire.send(GET)
        await asyncio.sleep(0.2)
        app.go.set()
        assert (await wire.answer()).status == 200


# Too large


async def test_a_head_of_the_largest_size_is_served() -> None:
    head = b"GET / HTTP/1.1\r\nx: %b\r\n\r\n"
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(head % (b"y" * (MAX_HEAD_BYTES - len(head) - 100)))
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx: " + b"y" * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * (MAX_HEAD_BYTES // 6),
        b"GET /" + b"y" * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["header", "headers", "target", "complete"],
)
async def test_a_head_that_is_too_large_is_refused_with_431(head: bytes) -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(head)
        assert "64 KB" in await refused(wire, 431, "headers_too_large")


async def test_a_large_body_behind_a_small_head_is_no_large_head() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        for _ in range(2):
            await wire.send(post(b"x" * 200_000))
            assert (await wire.answer()).status == 200


async def test_a_pipelined_head_that_is_too_large_does_not_spoil_the_answer_before_it() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(GET)
        await eventually(lambda: app.begun == 1)
        wire.writer.write(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200_000)
        await asyncio.sleep(0.05)
        app.go.set()
        assert (await wire.answer()).body == b"/g"


@pytest.mark.parametrize(
    "trailers", [(b"x: " + b"y" * 10_000 + b"\r\n") * 2000, b"x: " + b"y" * 20_000_000]
)
async def test_endless_trailers_are_cut_off(trailers: bytes) -> None:
    """Nobody reads them, so nothing else would bound them."""
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(CHUNKED + b"1\r\nx\r\n0\r\n")
        with pytest.raises(ConnectionError):
            await wire.send(trailers)


async def test_a_body_in_tiny_chunks_costs_no_more_than_its_bytes() -> None:
    count = 40_000
    async with serve(echo) as served, connect(served.port) as wire:
        began = time.process_time()
        await wire.send(CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n")
        assert (await wire.answer()).body == b"POST /c " + b"x" * count
        # One look at every piece for each new piece would take some twenty seconds.
        assert time.process_time() - began < 2


async def test_an_application_that_does_not_read_is_not_sent_the_whole_body() -> None:
    app = Slow()

    async def lazy(scope: Scope, receive: Receive, send: Send) -> None:
        await app.go.wait()

    async with serve(lazy) as served, connect(served.port) as wire:
        wire.writer.write(post(b"x" * 30_000_000))
        await eventually(lambda: wire.writer.transport.get_write_buffer_size() > 0)
        before = -1
        while before != (left := wire.writer.transport.get_write_buffer_size()):
            before = left
            await asyncio.sleep(0.05)
        assert left > 10_000_000
        app.go.set()


# Not HTTP


GARBAGE = (
    b"hello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nx y: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: \x00\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n",
)


async def test_what_is_not_http_is_refused_with_400(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(echo) as served:
        for garbage in GARBAGE:
            async with connect(served.port) as wire:
                await wire.send(garbage)
                await refused(wire, 400, "invalid_http")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


UPGRADE = b"connection: upgrade\r\nupgrade: h2c\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED[:-2] + UPGRADE + b"\r\nzz\r\n",
        post(b"x", more=UPGRADE) + b"\x00 garbage\r\n\r\n",
        post(b"x", more=UPGRADE) * 3,
    ],
    ids=["chunk", "garbage", "pipelined"],
)
async def test_an_upgrade_with_nonsense_behind_it_ends_like_any_other_request(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with serve(deny, QUICK) as served, connect(served.port) as wire:
        await wire.send(request_)
        assert (await wire.closed()).startswith(b"HTTP/1.1 40")
        await eventually(lambda: not served.connections and not served.tasks)
    assert not caplog.records


async def test_garbage_after_a_request_does_not_spoil_its_answer() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(GET)
        await eventually(lambda: app.begun == 1)
        await wire.send(b"\x00\x01\x02 garbage \r\n\r\n")
        await asyncio.sleep(0.02)
        app.go.set()
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b"/g")
        assert await wire.closed() == b""


async def test_a_broken_chunk_ends_the_request_and_leaves_nothing_behind() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(CHUNKED + b"zz\r\n")
        await eventually(lambda: not served.connections and not served.tasks)


def mutated(chance: random.Random) -> list[bytes]:
    """A request in pieces, with some bytes of it made up."""
    request = bytearray(
        chance.choice([GET, post(b"hello"), CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"]) * 2
    )
    for _ in range(chance.randrange(6)):
        request[chance.randrange(len(request))] = chance.randrange(256)
    cut = chance.randrange(len(request))
    return [bytes(request[:cut]), bytes(request[cut:])]


async def test_whatever_comes_the_connection_ends_and_nothing_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(1)
    caplog.set_level(logging.WARNING)

    async def attempt(port: int, pieces: list[bytes]) -> None:
        async with connect(port) as wire:
            for piece in pieces:
                wire.writer.write(piece)
                await asyncio.sleep(0)
            answers = await wire.closed()
            assert not answers or answers.startswith(b"HTTP/1.1 ")

    async with serve(echo, QUICK) as served:
        garbage = [[chance.randbytes(50), chance.randbytes(50)] for _ in range(20)]
        requests = [mutated(chance) for _ in range(70)]
        await asyncio.gather(*(attempt(served.port, each) for each in garbage + requests))
        await eventually(lambda: not served.connections and not served.tasks)
    # The application does notice clients that leave in the middle of a body; the server must not.
    assert {record.message for record in caplog.records} <= {"the application failed"}
