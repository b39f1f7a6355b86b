"""Messages between a supervisor and a worker."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.server.channel import Channel

pytestmark = pytest.mark.anyio


async def pair() -> tuple[Channel, Channel]:
    one, other = socket.socketpair()
    return await Channel.over(one), await Channel.over(other)


async def test_messages_arrive_whole_and_in_their_order() -> None:
    one, other = await pair()
    sent = [("a", None), ("b", [1, {"c": b"x" * 300_000}]), ("", "é")]
    for about, payload in sent:
        one.send(about, payload)
    assert [await other.receive() for _ in sent] == sent
    await one.aclose()
    await other.aclose()


async def test_the_end_of_one_side_is_the_end_for_the_other() -> None:
    one, other = await pair()
    one.send("last")
    await one.aclose()
    assert await other.receive() == ("last", None)
    assert await other.receive() is None
    other.send("into the void")
    await other.aclose()


async def test_a_receiver_that_is_cancelled_can_receive_later() -> None:
    one, other = await pair()
    receiving = asyncio.create_task(other.receive())
    await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.wait([receiving])
    one.send("still there")
    assert await other.receive() == ("still there", None)
    await one.aclose()
    await other.aclose()


async def test_a_size_beyond_all_reason_ends_it() -> None:
    one, two = socket.socketpair()
    other = await Channel.over(two)
    one.sendall(b"\xff\xff\xff\xff")
    assert await other.receive() is None
    one.close()
    await other.aclose()
