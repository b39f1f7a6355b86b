from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backends.transport.outbox import MOST, SMALL, Outbox

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """A transport, and the non-blocking socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    try:
        yield transport, theirs
    finally:
        transport.abort()
        theirs.close()


def come(theirs: socket.socket) -> bytes:
    """What has reached the other end by now."""
    try:
        return theirs.recv(1 << 20)
    except BlockingIOError:
        return b""


async def test_what_is_posted_leaves_in_order_when_the_turn_ends() -> None:
    outbox = Outbox()
    async with pair() as (one, at_one), pair() as (two, at_two):
        for transport, data in ((one, b"a"), (two, b"x"), (one, b"b"), (one, b"c")):
            outbox.post(transport, data)

        assert come(at_one) == come(at_two) == b""

        await asyncio.sleep(0)

        assert come(at_one) == b"abc"
        assert come(at_two) == b"x"


async def test_a_later_turn_is_served_as_the_first_was() -> None:
    outbox = Outbox()
    async with pair() as (transport, theirs):
        for data in (b"first", b"second"):
            outbox.post(transport, data)
            await asyncio.sleep(0)

            assert come(theirs) == data


async def test_a_large_piece_leaves_at_once_and_behind_what_was_posted_before() -> None:
    outbox = Outbox()
    async with pair() as (transport, theirs):
        outbox.post(transport, b"before")
        outbox.post(transport, b"x" * (SMALL + 1))

        assert come(theirs) == b"before" + b"x" * (SMALL + 1)


async def test_a_busy_turn_does_not_hold_back_more_than_its_bound() -> None:
    outbox = Outbox()
    async with pair() as (transport, theirs):
        for _ in range(MOST + 1):
            outbox.post(transport, b"x")

        assert come(theirs) == b"x" * (MOST + 1)


async def test_what_was_posted_to_a_transport_that_was_cut_is_dropped() -> None:
    outbox = Outbox()
    async with pair() as (cut, at_cut), pair() as (transport, theirs):
        outbox.post(cut, b"never")
        outbox.post(transport, b"all the same")
        cut.abort()

        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert at_cut.recv(10) == b""
        assert come(theirs) == b"all the same"
