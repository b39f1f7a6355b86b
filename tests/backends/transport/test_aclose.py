"""Closing the transport, whatever its connections are doing."""

from __future__ import annotations

import asyncio

import pytest

from backends.errors import ConnectFailed, ConnectionLost
from tests.backends.transport.client import QUICK, client, eventually, fetch, post
from tests.fakes.bad_peer import BadPeer, answer, answers, silence

pytestmark = pytest.mark.anyio


async def test_closing_the_transport_closes_what_is_idle_and_what_is_in_flight() -> None:
    half = answer(b"abcdef")[:-3]
    async with (
        BadPeer(answers(half), silence, answers(answer(b"x"))) as peer,
        client(peer.url) as transport,
    ):
        in_flight = await post(transport)
        assert await in_flight.chunk() == b"abc"
        reading = asyncio.create_task(in_flight.chunk())
        sending = asyncio.create_task(post(transport))
        await eventually(lambda: len(peer.wires) == 2)
        await fetch(transport)
        assert transport.idle_connections == 1
        await transport.aclose()
        assert transport.open_connections == 0
        with pytest.raises(ConnectionLost, match="its transport was closed"):
            await reading
        with pytest.raises(ConnectionLost, match="its transport was closed"):
            await sending
        in_flight.close()
        await transport.aclose()
        with pytest.raises(ConnectFailed, match="its transport is closed") as closed:
            await post(transport)
        assert not closed.value.reached
        await eventually(lambda: peer.open_connections == 0)


async def test_closing_the_transport_while_it_connects_leaves_nothing_open() -> None:
    async with BadPeer(silence) as peer, client(peer.url) as transport:
        sending = asyncio.create_task(post(transport, timeouts=QUICK))
        await asyncio.sleep(0)
        await transport.aclose()
        with pytest.raises((ConnectFailed, ConnectionLost)):
            await sending
        await eventually(lambda: transport.open_connections == 0)
        await eventually(lambda: peer.open_connections == 0)


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_a_response_given_back_after_the_transport_was_closed_is_not_kept(turns: int) -> None:
    async with BadPeer(answers(answer(b"x"))) as peer, client(peer.url) as transport:
        response = await post(transport)
        await eventually(lambda: response.complete)
        closing = asyncio.create_task(transport.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await response.read(5) == b"x"
        response.close()
        await closing
        assert (transport.idle_connections, transport.open_connections) == (0, 0)
