"""Whoever stops waiting leaves nothing behind, and the runner notices within 100 ms."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from backends.transport import Response, Timeouts, Tls, Transport
from tests.backends.transport.certificate import Certificate
from tests.backends.transport.client import client, eventually, fetch, post
from tests.fakes.bad_peer import (
    BadPeer,
    Script,
    Wire,
    answer,
    answers,
    chunk,
    chunked_head,
    silence,
)

pytestmark = pytest.mark.anyio


async def cancelled(work: Awaitable[object], when: Callable[[], bool]) -> None:
    """Start `work`, cancel it as soon as `when` holds, and see it end that way."""
    task = asyncio.ensure_future(work)
    await eventually(when)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def nothing_left(transport: Transport, peer: BadPeer) -> None:
    async with asyncio.timeout(0.1):
        await eventually(lambda: transport.open_connections == 0)
        await eventually(lambda: peer.open_connections == 0)


async def test_while_the_head_is_awaited() -> None:
    async def read(wire: Wire) -> None:
        await wire.request()
        await wire.gone()

    async with BadPeer(read) as peer, client(peer.url) as transport:
        await cancelled(post(transport), lambda: len(peer.requests) == 1)
        await nothing_left(transport, peer)


async def test_while_the_head_is_awaited_on_a_kept_connection() -> None:
    async def read(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.request()
        await wire.gone()

    async with BadPeer(read) as peer, client(peer.url) as transport:
        await fetch(transport)
        await cancelled(post(transport), lambda: len(peer.requests) == 2)
        await nothing_left(transport, peer)
        assert len(peer.wires) == 1


async def test_while_a_large_body_is_sent() -> None:
    async def deaf(wire: Wire) -> None:
        await wire.request_head()
        wire.stop_reading()
        stopped.set()
        await cancelled_by_client.wait()
        wire.go_on_reading()
        await wire.gone()

    stopped, cancelled_by_client = asyncio.Event(), asyncio.Event()
    async with BadPeer(deaf) as peer, client(peer.url) as transport:
        await cancelled(post(transport, bytes(32 * 2**20)), stopped.is_set)
        cancelled_by_client.set()
        await nothing_left(transport, peer)


@pytest.mark.parametrize(
    "read", [lambda r: r.chunk(), lambda r: r.read(10), lambda r: r.read_up_to(10)]
)
async def test_while_the_body_is_awaited(read: Callable[[Response], Awaitable[object]]) -> None:
    script = answers(chunked_head() + chunk(b"some"))
    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        assert await response.chunk() == b"some"
        await cancelled(read(response), lambda: True)
        assert transport.open_connections == 1
        response.close()
        await nothing_left(transport, peer)


async def test_a_cancelled_wait_for_a_piece_loses_nothing() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        await proceed.wait()
        await wire.send(chunk(b"piece") + chunk(b""))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        await cancelled(response.chunk(), lambda: True)
        proceed.set()
        assert await response.chunk() == b"piece"
        assert await response.chunk() == b""
        response.close()
        assert transport.idle_connections == 1


async def test_while_connecting() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        with socket.create_connection((host, port)):
            for name in (host, "localhost"):
                async with client(f"http://{name}:{port}") as transport:
                    await cancelled(post(transport), lambda: True)
                    assert transport.open_connections == 0


async def test_while_shaking_hands_for_tls() -> None:
    async with BadPeer(silence) as peer:
        url = peer.url.replace("http:", "https:")
        async with client(url) as transport:
            await cancelled(post(transport), lambda: len(peer.wires) == 1)
            await nothing_left(transport, peer)


async def test_over_tls(certificate: Certificate) -> None:
    async with tls_client(certificate, silence) as (peer, transport):
        await cancelled(post(transport), lambda: len(peer.wires) == 1)
        await nothing_left(transport, peer)


async def test_closing_an_unfinished_response_over_tls(certificate: Certificate) -> None:
    async def flood(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        while True:
            await wire.send(chunk(bytes(1000)))
            await asyncio.sleep(0)

    async with tls_client(certificate, flood) as (peer, transport):
        response = await post(transport)
        await response.chunk()
        response.close()
        await nothing_left(transport, peer)


async def test_at_every_turn_of_the_event_loop() -> None:
    """Sweeps the moment of cancellation over a whole exchange, connecting and close included."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(chunked_head())
            await wire.send(chunk(b"one"))
            await asyncio.sleep(0)
            await wire.send(chunk(b"two") + chunk(b""))

    async with BadPeer(script) as peer, client(peer.url) as transport:
        finished = 0
        for turns in range(40):
            task = asyncio.create_task(fetch(transport))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                assert task.result() == b"onetwo"
                finished += 1
            await eventually(lambda: transport.open_connections == transport.idle_connections)
        assert finished > 0
        await transport.aclose()
        await nothing_left(transport, peer)


async def test_while_a_kept_connection_is_replaced() -> None:
    async def hang_up(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.request()

    async with BadPeer(hang_up, silence) as peer, client(peer.url) as transport:
        await fetch(transport)
        await cancelled(post(transport), lambda: len(peer.wires) == 2)
        await nothing_left(transport, peer)


async def test_a_time_out_around_send_is_a_cancellation_like_any_other() -> None:
    async with BadPeer(silence) as peer, client(peer.url) as transport:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post(transport, timeouts=Timeouts())
        await nothing_left(transport, peer)


@asynccontextmanager
async def tls_client(
    certificate: Certificate, script: Script
) -> AsyncIterator[tuple[BadPeer, Transport]]:
    async with (
        BadPeer(script, tls=certificate.server_context()) as peer,
        client(peer.url, tls=Tls(ca_file=certificate.cert_file)) as transport,
    ):
        yield peer, transport
