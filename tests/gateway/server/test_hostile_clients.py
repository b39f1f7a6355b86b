"""Clients that are too many, and clients that do not read what they asked for."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from gateway.server.limits import ConnectionLimits
from tests.gateway.server.apps import echo, flood, reply
from tests.gateway.server.client import GET, QUICK, error_of
from tests.gateway.serving import Served, Wire, connect, eventually, serve

pytestmark = pytest.mark.anyio

# Too many


async def test_beyond_the_limit_connections_are_refused_with_503() -> None:
    limits = ConnectionLimits(head_s=5.0, connections=2)
    async with serve(echo, limits) as served:
        async with connect(served.port) as first, connect(served.port):
            await eventually(lambda: len(served.connections) == 2)
            async with connect(served.port) as third:
                answer = await third.answer()
                assert answer.status == 503
                assert error_of(answer)["code"] == "too_many_connections"
                assert int(answer.headers[b"retry-after"]) >= 1
                assert await third.closed() == b""
            await first.send(GET)
            assert (await first.answer()).status == 200
        await eventually(lambda: not served.connections)
        async with connect(served.port) as later:
            await later.send(GET)
            assert (await later.answer()).status == 200


# Clients that do not read


async def stalled(served: Served, wire: Wire) -> None:
    """A client that asks and then reads nothing."""
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await wire.send(GET)
    await eventually(lambda: any(each.outflow.full is not None for each in served.connections))


async def test_a_client_that_stops_reading_its_stream_does_not_hold_it_for_ever() -> None:
    """A laptop that was closed acknowledges nothing, or says for hours that it has no room."""
    async with serve(flood, QUICK) as served, connect(served.port) as wire:
        await stalled(served, wire)
        await eventually(lambda: not served.tasks and not served.connections)


async def test_a_client_that_never_reads_its_answer_does_not_hold_the_connection() -> None:
    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"x" * 20_000_000)

    async with serve(large, QUICK) as served, connect(served.port) as wire:
        await stalled(served, wire)
        await eventually(lambda: not served.tasks and not served.connections)


async def test_a_client_that_leaves_the_last_bytes_unread_does_not_hold_the_connection() -> None:
    """They are too few to be noticed as a stream that stalls, and closing waits for them."""
    served: Served

    async def just_too_large(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not served.connections[0]._transport.get_write_buffer_size():
            await send({"type": "http.response.body", "body": b"x" * 4000, "more_body": True})
            await asyncio.sleep(0)  # it leaves when the turn ends
        await send({"type": "http.response.body", "body": b""})

    async with serve(just_too_large, QUICK) as served, connect(served.port) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(GET)
        await eventually(lambda: served.server.server_state.total_requests == 1)
        await eventually(lambda: not served.connections)


async def test_a_slow_reader_gets_everything() -> None:
    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"x" * 30_000_000)

    async with serve(large) as served, connect(served.port) as wire:
        await stalled(served, wire)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len((await wire.answer()).body) == 30_000_000
