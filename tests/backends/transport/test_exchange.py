"""What goes over the wire and comes back when the runner does something unusual but legal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import ReplyInvalid
from tests.backends.transport.client import QUICK, client, eventually, fetch, post
from tests.fakes.bad_peer import (
    BadPeer,
    Wire,
    answer,
    answers,
    chunk,
    chunked,
    chunked_head,
)

pytestmark = pytest.mark.anyio


async def test_the_request_arrives_as_it_was_given() -> None:
    async with BadPeer(answers(answer())) as peer, client(peer.url + "/base") as transport:
        head = transport.head("POST", "/v1/x", [("content-type", "application/json")])
        (await transport.send(head, b'{"a":1}', extra=b"x-request-id: 7\r\n")).close()
        (request,) = peer.requests
        assert request.body == b'{"a":1}'
        assert (
            request.head
            == (
                b"POST /base/v1/x HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n"
                b"content-type: application/json\r\nx-request-id: 7\r\ncontent-length: 7\r\n\r\n"
            )
            % peer.url.removeprefix("http://").encode()
        )


async def test_headers_of_the_transport_go_with_every_request() -> None:
    async with (
        BadPeer(answers(answer(), answer())) as peer,
        client(peer.url, headers=[("authorization", "Bearer k")]) as transport,
    ):
        await fetch(transport)
        await fetch(transport)
        assert all(b"authorization: Bearer k\r\n" in request.head for request in peer.requests)


async def test_status_and_headers_are_there_before_the_body() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head(503, headers=[("Retry-After", "5"), ("X", "1"), ("x", "2")]))
        await proceed.wait()
        await wire.send(chunk(b"late") + chunk(b""))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        assert response.status == 503
        assert response.header(b"retry-after") == b"5"
        assert response.header(b"x") == b"1"
        assert response.header(b"content-length") is None
        assert not response.complete
        proceed.set()
        assert await response.read(10) == b"late"
        assert response.complete
        response.close()
        assert transport.idle_connections == 1


async def test_pieces_come_one_by_one_and_then_the_end() -> None:
    taken = asyncio.Semaphore(0)

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        for piece in (b"one", b"two", b"three"):
            await wire.send(chunk(piece))
            await taken.acquire()
        await wire.send(chunk(b""))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        pieces = []
        while piece := await response.chunk():
            pieces.append(piece)
            taken.release()
        assert pieces == [b"one", b"two", b"three"]
        assert await response.chunk() == b""
        response.close()


@pytest.mark.parametrize(
    "wire_bytes",
    [
        answer(b"body"),
        chunked(b"bo", b"dy"),
        chunked_head() + b"4;ext=1\r\nbody\r\n0\r\nX-Trailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"body"),
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + answer(b"body"),
        b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody",
    ],
)
async def test_a_trickle_of_single_bytes_is_a_body_like_any_other(wire_bytes: bytes) -> None:
    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.trickle(wire_bytes)
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        assert await fetch(transport) == b"body"
        assert await fetch(transport) == b"body"
        assert len(peer.wires) == 1


@pytest.mark.parametrize(
    "head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]
)
@pytest.mark.parametrize("body", [b"", b"as long as it takes"])
async def test_a_body_may_end_with_the_connection(head: bytes, body: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.trickle(head + body)

    async with BadPeer(script) as peer, client(peer.url) as transport:
        assert await fetch(transport) == body
        assert transport.idle_connections == 0
        await eventually(lambda: transport.open_connections == 0)


async def test_a_head_request_is_answered_without_a_body() -> None:
    async with BadPeer(answers(answer(b"12345")[:-5])) as peer, client(peer.url) as transport:
        response = await transport.send(transport.head("HEAD", "/"), timeouts=QUICK)
        assert response.header(b"content-length") == b"5"
        assert response.complete
        assert await response.read(10) == b""
        response.close()


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_body_leaves_the_connection_usable(status: int) -> None:
    nothing = b"HTTP/1.1 %d Nothing\r\n\r\n" % status
    async with BadPeer(answers(nothing, nothing)) as peer, client(peer.url) as transport:
        assert await fetch(transport) == b""
        assert await fetch(transport) == b""
        assert len(peer.wires) == 1


async def test_a_body_beyond_the_limit_is_refused() -> None:
    large, allowed = answer(b"x" * 11), answer(b"x" * 10)
    async with BadPeer(answers(large, allowed)) as peer, client(peer.url) as transport:
        response = await post(transport)
        with pytest.raises(ReplyInvalid, match=f"{peer.url} answered with more than 10 bytes"):
            await response.read(10)
        response.close()
        response = await post(transport)
        assert await response.read(10) == b"x" * 10
        response.close()


async def test_a_body_may_be_read_in_part_and_the_rest_be_streamed() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head() + chunk(b"x" * 100))
        await wire.send(chunk(b"y" * 100_000))
        await proceed.wait()
        await wire.send(chunk(b""))
        await wire.gone()

    proceed = asyncio.Event()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport)
        data, ended = await response.read_up_to(50_000)
        assert not ended
        assert len(data) > 50_000
        proceed.set()
        while piece := await response.chunk():
            data += piece
        assert data == b"x" * 100 + b"y" * 100_000
        response.close()


@pytest.mark.parametrize("whole", [answer(b"short"), chunked(b"sh", b"ort")])
async def test_a_short_body_read_in_part_has_ended(whole: bytes) -> None:
    async with BadPeer(answers(whole)) as peer, client(peer.url) as transport:
        response = await post(transport)
        assert await response.read_up_to(5) == (b"short", True)
        assert await response.read_up_to(5) == (b"", True)
        response.close()


async def test_a_closed_response_cannot_be_read() -> None:
    async with BadPeer(answers(answer(b"x"))) as peer, client(peer.url) as transport:
        response = await post(transport)
        response.close()
        response.close()
        assert transport.idle_connections == 1
        with pytest.raises(RuntimeError, match="closed"):
            await response.chunk()


async def test_two_tasks_cannot_wait_for_one_response() -> None:
    async with BadPeer(answers(chunked_head())) as peer, client(peer.url) as transport:
        response = await post(transport)
        first = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await response.chunk()
        first.cancel()
        response.close()


async def test_a_large_request_body_arrives_whole() -> None:
    body = bytes(range(256)) * 4096 * 20
    async with BadPeer(answers(answer(b"got it"), answer())) as peer, client(peer.url) as transport:
        assert await fetch(transport, body) == b"got it"
        assert peer.requests[0].body == body
        await fetch(transport, b"small")
        assert peer.requests[1].body == b"small"
        assert len(peer.wires) == 1


async def test_the_sockets_options_suit_small_messages_and_long_silences() -> None:
    async with BadPeer(answers(answer())) as peer, client(peer.url) as transport:
        response = await post(transport)
        sock = cast(Any, response)._connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        response.close()


@pytest.mark.parametrize("whole", [answer(b"the body of it"), chunked(b"the body", b" of it")])
def test_any_split_into_segments_gives_the_same_body(
    whole: bytes, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    new_loop = _loop_factory(anyio_backend)

    @settings(max_examples=25, deadline=None)
    @given(st.sets(st.integers(1, len(whole) - 1), max_size=5))
    def check(cuts: set[int]) -> None:
        edges = [0, *sorted(cuts), len(whole)]

        async def script(wire: Wire) -> None:
            await wire.request()
            for start, end in pairwise(edges):
                await wire.send(whole[start:end])
                await asyncio.sleep(0)
            await wire.gone()

        async def run() -> None:
            async with BadPeer(script) as peer, client(peer.url) as transport:
                assert await fetch(transport) == b"the body of it"

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(run())

    check()


def _loop_factory(
    backend: tuple[str, dict[str, Any]],
) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not backend[1]["use_uvloop"]:
        return None
    import uvloop

    return uvloop.new_event_loop


async def test_concurrent_requests_each_get_their_own_answer() -> None:
    async def echo(wire: Wire) -> None:
        while True:
            request = await wire.request()
            await wire.send(answer(request.body))

    async with BadPeer(echo) as peer, client(peer.url, max_idle=8) as transport:
        for _ in range(3):
            bodies = [b"%d" % n for n in range(40)]
            got = await asyncio.gather(*(fetch(transport, body) for body in bodies))
            assert got == bodies
            assert transport.idle_connections == 8
        await eventually(lambda: transport.open_connections == 8)
