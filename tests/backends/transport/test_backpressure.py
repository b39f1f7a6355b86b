"""A side that does not read makes the other side wait instead of filling our memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any, cast

import pytest

from backends.errors import RunnerTimeout
from backends.transport import Response, Timeouts
from tests.backends.transport.client import client, eventually, post
from tests.fakes.bad_peer import BadPeer, Wire, answer, chunk, chunked_head

pytestmark = pytest.mark.anyio

MB = 2**20


class Peak:
    """How much more memory Python held at most than when the block began, in bytes."""

    def __enter__(self) -> Peak:
        tracemalloc.start()
        self.grown = 0
        return self

    def __exit__(self, *_: object) -> None:
        self.grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def buffered(response: Response) -> int:
    return cast(Any, response)._connection.parser.buffered  # type: ignore[no-any-return]


@pytest.mark.parametrize("framing", ["chunked", "length", "until-close"])
async def test_a_hundred_megabytes_reach_a_slow_reader_in_constant_memory(framing: str) -> None:
    total, piece = 100 * MB, bytes(MB)

    async def flood(wire: Wire) -> None:
        await wire.request()
        await wire.send(
            {
                "chunked": chunked_head(),
                "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total,
                "until-close": b"HTTP/1.1 200 OK\r\n\r\n",
            }[framing]
        )
        for _ in range(total // MB):
            await wire.send(chunk(piece) if framing == "chunked" else piece)
        if framing == "chunked":
            await wire.send(chunk(b""))

    async with BadPeer(flood) as peer, client(peer.url) as transport:
        with Peak() as peak:
            response = await post(transport)
            got = most = 0
            while data := await response.chunk():
                got += len(data)
                for _ in range(5):
                    await asyncio.sleep(0)
                most = max(most, buffered(response))
            response.close()
        assert got == total
        assert most <= 768 * 1024
        assert peak.grown < 20 * MB


async def test_a_reader_who_stops_stops_the_runner() -> None:
    sent = 0

    async def flood(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.send(chunked_head())
        while True:
            await wire.send(chunk(bytes(65536)))
            sent += 1

    async with BadPeer(flood) as peer, client(peer.url) as transport:
        response = await post(transport)
        before = -1
        while before != sent:
            before = sent
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert buffered(response) <= 768 * 1024
        taken = len(await response.chunk())
        assert taken <= 768 * 1024
        await eventually(lambda: sent > before)
        response.close()
        await eventually(lambda: peer.open_connections == 0)


async def test_a_runner_that_reads_nothing_of_a_large_request_costs_no_copy_of_it() -> None:
    body = bytes(32 * MB)

    async def deaf(wire: Wire) -> None:
        await wire.request_head()
        wire.stop_reading()
        await proceed.wait()

    proceed = asyncio.Event()
    async with BadPeer(deaf) as peer, client(peer.url) as transport:
        with Peak() as peak, pytest.raises(RunnerTimeout) as late:
            await post(transport, body, Timeouts(first_byte_s=0.3))
        assert late.value.phase == "first_byte"
        assert peak.grown < 4 * MB
        proceed.set()
        await eventually(lambda: transport.open_connections == 0)


async def test_a_large_request_goes_on_when_the_runner_reads_again() -> None:
    body = bytes(range(256)) * (16 * MB // 256)

    async def hesitant(wire: Wire) -> None:
        head = await wire.request_head()
        wire.stop_reading()
        await proceed.wait()
        wire.go_on_reading()
        received.append(await wire.body(head))
        await wire.send(answer(b"thanks"))
        await wire.gone()

    proceed = asyncio.Event()
    received: list[bytes] = []
    async with BadPeer(hesitant) as peer, client(peer.url) as transport:
        sending = asyncio.create_task(post(transport, body))
        await eventually(lambda: len(peer.wires) == 1)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not sending.done()
        proceed.set()
        response = await sending
        assert await response.read(10) == b"thanks"
        assert received == [body]
        response.close()
        assert transport.idle_connections == 1


async def test_an_answer_may_come_in_full_before_the_request_is_out() -> None:
    async def early(wire: Wire) -> None:
        await wire.request_head()
        await wire.send(answer(b"no need to go on"))
        wire.stop_reading()
        await proceed.wait()

    proceed = asyncio.Event()
    async with BadPeer(early) as peer, client(peer.url) as transport:
        response = await post(transport, bytes(32 * MB))
        assert await response.read(100) == b"no need to go on"
        response.close()
        assert transport.idle_connections == 0
        proceed.set()
        await eventually(lambda: transport.open_connections == 0)
