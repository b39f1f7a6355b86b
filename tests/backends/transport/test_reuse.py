"""When a connection serves again, for how long it is kept, and when it must not be."""

from __future__ import annotations

import asyncio
import gc
import math
from typing import Any, cast

import pytest

from backends.transport.connection import Connection, idle_limit_s
from tests.backends.transport.client import client, eventually, fetch, post
from tests.fakes.bad_peer import BadPeer, Wire, answer, answers, chunked
from tests.fakes.garbage import only_new_objects

pytestmark = pytest.mark.anyio


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with BadPeer(answers(answer(b"a"), chunked(b"b"))) as peer, client(peer.url) as transport:
        first = await post(transport)
        assert not first.reused
        first.close()
        second = await post(transport)
        assert second.reused
        second.close()
        assert len(peer.wires) == 1


async def test_the_freshest_connection_is_taken_first() -> None:
    async def named(wire: Wire) -> None:
        name = b"%d" % len(peer.wires)
        while True:
            await wire.request()
            await wire.send(answer(name))

    async with BadPeer(named) as peer, client(peer.url) as transport:
        responses = [await post(transport) for _ in range(3)]
        for response in responses:
            response.close()
        assert [await fetch(transport) for _ in range(2)] == [b"3", b"3"]


async def test_an_announced_close_is_heeded() -> None:
    goodbye = answer(b"x", headers=[("Connection", "close")])
    async with BadPeer(answers(goodbye)) as peer, client(peer.url) as transport:
        await fetch(transport)
        assert transport.idle_connections == 0
        await fetch(transport)
        assert len(peer.wires) == 2


async def test_an_idle_connection_that_the_runner_closes_is_forgotten() -> None:
    async def once(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer(b"x"))

    async with BadPeer(once) as peer, client(peer.url) as transport:
        await fetch(transport)
        await eventually(lambda: transport.open_connections == 0)
        assert transport.idle_connections == 0
        assert await fetch(transport) == b"x"
        assert len(peer.wires) == 2


@pytest.mark.parametrize("extra", [b"\0", b"HTTP/1.1 200 OK\r\n", answer(b"unasked")])
async def test_bytes_behind_an_answer_spoil_the_connection_but_not_the_answer(extra: bytes) -> None:
    async with (
        BadPeer(answers(answer(b"right") + extra), answers(answer(b"right"))) as peer,
        client(peer.url) as transport,
    ):
        assert await fetch(transport) == b"right"
        assert transport.idle_connections == 0
        assert await fetch(transport) == b"right"
        assert len(peer.wires) == 2


async def test_bytes_behind_an_answer_still_held_spoil_the_connection_too() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer(b"right"))
        await proceed.wait()
        await wire.send(b"extra")
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        proceed.set()
        await eventually(lambda: transport.open_connections == 0)
        assert await response.read(10) == b"right"
        response.close()
        assert transport.idle_connections == 0


async def test_unasked_bytes_on_an_idle_connection_end_it() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer(b"x"))
        await proceed.wait()
        await wire.send(answer(b"nobody asked"))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        await fetch(transport)
        assert transport.idle_connections == 1
        proceed.set()
        await eventually(lambda: transport.idle_connections == 0)
        await eventually(lambda: transport.open_connections == 0)
        await eventually(lambda: peer.open_connections == 0)


async def test_idle_connections_are_closed_after_their_time() -> None:
    async with (
        BadPeer(answers(answer())) as peer,
        client(peer.url, idle_s=0.1) as transport,
    ):
        responses = [await post(transport) for _ in range(3)]
        for response in responses:
            response.close()
        assert transport.idle_connections == 3
        await eventually(lambda: transport.open_connections == 0, within_s=1)
        await eventually(lambda: peer.open_connections == 0)


async def test_an_expired_connection_is_not_used_even_before_it_is_closed() -> None:
    async with BadPeer(answers(answer())) as peer, client(peer.url, idle_s=4) as transport:
        await fetch(transport)
        pool = cast(Any, transport)._pool
        assert pool.take(asyncio.get_running_loop().time() + 4) is None
        assert transport.idle_connections == 0
        await eventually(lambda: transport.open_connections == 0)


async def test_each_idle_connection_is_closed_in_its_own_time() -> None:
    async with BadPeer(answers(answer())) as peer, client(peer.url, idle_s=0.2) as transport:
        first, second = await post(transport), await post(transport)
        first.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.1
        await eventually(lambda: loop.time() > until)
        second.close()
        await eventually(lambda: transport.open_connections == 1)
        assert transport.idle_connections == 1
        await eventually(lambda: transport.open_connections == 0)


async def test_a_whole_body_that_nobody_read_does_not_get_into_the_next_answer() -> None:
    script = answers(answer(b"x" * 200_000), answer(b"next"))
    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        await eventually(lambda: response.complete)
        response.close()
        assert await fetch(transport) == b"next"
        assert len(peer.wires) == 1


async def test_a_runner_that_keeps_connections_for_a_short_time_is_heeded() -> None:
    lasting, brief = answer(), answer(headers=[("Keep-Alive", "timeout=1, max=5")])
    peer = BadPeer(answers(lasting), answers(brief))
    async with peer, client(peer.url, idle_s=60) as transport:
        for response in [await post(transport), await post(transport)]:
            response.close()
        assert transport.idle_connections == 2
        loop = asyncio.get_running_loop()
        began = loop.time()
        await eventually(lambda: transport.open_connections == 1, within_s=2)
        assert 0.4 < loop.time() - began < 1.5
        await eventually(lambda: peer.open_connections == 1)


@pytest.mark.parametrize(
    ("value", "limit_s"),
    [
        (b"timeout=5, max=100", 4),
        (b"max=100, Timeout=75", 74),
        (b"timeout=1", 0.5),
        (b"timeout=0", 0.5),
        (b"max=5", math.inf),
        (b"timeout=", math.inf),
        (b"timeout=-1", math.inf),
        (b"nonsense", math.inf),
        (None, math.inf),
    ],
)
def test_the_time_a_connection_is_kept_follows_from_the_header(
    value: bytes | None, limit_s: float
) -> None:
    assert idle_limit_s(value) == limit_s


async def test_no_more_idle_connections_are_kept_than_allowed() -> None:
    async with BadPeer(answers(answer())) as peer, client(peer.url, max_idle=2) as transport:
        responses = [await post(transport) for _ in range(5)]
        for response in responses:
            response.close()
        assert transport.idle_connections == 2
        await eventually(lambda: transport.open_connections == 2)


async def test_a_closed_connection_is_freed_without_the_garbage_collector() -> None:
    async def once(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer(b"x"))

    async with BadPeer(once) as peer, client(peer.url) as transport:
        gc.disable()
        try:
            with only_new_objects():
                for _ in range(5):
                    await fetch(transport)
                    await eventually(lambda: transport.open_connections == 0)
                left = [thing for thing in gc.get_objects() if isinstance(thing, Connection)]
        finally:
            gc.enable()
        assert left == []
