"""Request bodies: too large, too slow, cut off."""

from __future__ import annotations

import asyncio

import pytest

from gateway.inference.body import BodyReader, ClientGone
from tests.gateway.inference.bodies import (
    LEFT,
    TEXT,
    Client,
    Message,
    part,
    read,
    refused,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


# Plain bodies


async def test_a_body_in_one_piece_is_returned() -> None:
    assert await read(TEXT, declared=b"%d" % len(TEXT)) == TEXT


async def test_a_body_in_many_pieces_is_put_together() -> None:
    pieces = [part(TEXT[at : at + 7]) for at in range(0, len(TEXT), 7)]
    assert await read(*pieces, part(b"", more=False)) == TEXT


async def test_no_body_is_an_empty_one() -> None:
    assert await read({"type": "http.request"}) == b""


@pytest.mark.parametrize("declared", [b"1000001", b"9" * 30, b"9" * 5000])
async def test_a_declared_length_beyond_the_limit_is_refused_without_reading(
    declared: bytes,
) -> None:
    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    error = await refused(receive=receive, declared=declared, limit=1_000_000)
    assert error.status == 413
    assert error.code == "request_too_large"
    assert error.close
    assert "server.max_body_mb" in error.message


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert await read(b"x" * 1000, declared=b"1000", limit=1000) == b"x" * 1000
    halves = part(b"x" * 500), part(b"x" * 500, more=False)
    assert await read(*halves, limit=1000) == b"x" * 1000


async def test_one_byte_beyond_the_limit_is_too_much_with_and_without_a_declared_length() -> None:
    assert (await refused(b"x" * 1001, limit=1000)).status == 413
    assert (await refused(part(b"x" * 1000), part(b"x", more=False), limit=1000)).status == 413


async def test_an_endless_body_is_refused_when_the_limit_is_passed() -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return part(b"x" * 100)

    error = await refused(receive=receive, limit=1000)
    assert error.status == 413
    assert error.close
    assert asked == 11


@pytest.mark.parametrize("sent", [(), (part(b'{"model":'),), (part(b"a"), part(b"b"))])
async def test_a_client_that_leaves_before_the_end_is_gone(sent: tuple[Message, ...]) -> None:
    with pytest.raises(ClientGone):
        await read(*sent, LEFT)


# Time


async def test_a_body_that_does_not_come_is_refused_with_408_and_others_wait_on() -> None:
    reader = BodyReader()
    patient = Client()
    other = asyncio.create_task(read(receive=patient.receive, time_s=60, reader=reader))
    error = await refused(part(b'{"mod'), time_s=0.01, reader=reader)
    assert error.status == 408
    assert error.code == "request_timeout"
    assert error.close
    assert "within 0.01 s" in error.message
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not other.done()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_a_body_that_trickles_has_no_more_time_than_one_that_does_not() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.05)
        return part(b"x")

    assert (await refused(receive=receive, time_s=0.2)).status == 408


async def test_cancelling_a_read_stays_a_cancellation_and_leaves_nothing_behind() -> None:
    reader = BodyReader()
    client = Client(part(b"x"))
    task = asyncio.create_task(read(receive=client.receive, reader=reader))
    await client.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not reader._reading


@pytest.mark.parametrize("outer_first", [True, False])
async def test_a_cancellation_in_the_turn_of_the_time_out_is_not_lost(outer_first: bool) -> None:
    reader = BodyReader()
    client = Client()
    task = asyncio.create_task(read(receive=client.receive, reader=reader, time_s=0.0))
    await client.asked.wait()
    if outer_first:
        task.cancel()
    reader._sweep()
    if not outer_first:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
