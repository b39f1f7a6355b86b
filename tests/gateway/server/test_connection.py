"""What a client and an application may expect of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send

from tests.gateway.server.apps import Slow, deny, deny_and_close, echo
from tests.gateway.server.client import CHUNKED, GET, post, refused
from tests.gateway.serving import connect, eventually, serve

pytestmark = pytest.mark.anyio

# What a well-meaning client does


async def test_a_request_is_answered() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(post(b"hello"))
        answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b"POST /p hello")
    assert b"date" in answer.headers
    assert b"server" not in answer.headers


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        for number in range(5):
            await wire.send(post(b"%d" % number))
            assert (await wire.answer()).body == b"POST /p %d" % number
        await wire.send(GET)
        assert (await wire.answer()).body == b"GET /g "


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(b"".join(post(b"%d" % number) for number in range(20)))
        for number in range(20):
            assert (await wire.answer()).body == b"POST /p %d" % number


async def test_pipelined_requests_with_large_bodies_are_answered_in_order() -> None:
    bodies = [bytes([65 + number]) * 300_000 for number in range(4)]
    async with serve(echo) as served, connect(served.port) as wire:
        sending = asyncio.create_task(wire.send(b"".join(map(post, bodies))))
        for body in bodies:
            assert (await wire.answer()).body == b"POST /p " + body
        await sending


async def test_a_request_that_comes_byte_by_byte_is_answered() -> None:
    request = post(b"hello") + CHUNKED + b"2\r\nab\r\n0\r\n\r\n"
    async with serve(echo) as served, connect(served.port) as wire:
        for at in range(len(request)):
            await wire.send(request[at : at + 1])
            await asyncio.sleep(0)
        assert (await wire.answer()).body == b"POST /p hello"
        assert (await wire.answer()).body == b"POST /c ab"


async def test_chunks_are_put_together() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(
            CHUNKED + b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\ntrailer: x\r\n\r\n" + GET
        )
        assert (await wire.answer()).body == b"POST /c hello world"
        assert (await wire.answer()).body == b"GET /g "


async def test_100_continue_is_sent_when_the_body_is_wanted() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(post(b"hello", more=b"expect: 100-continue\r\n")[:-5])
        async with asyncio.timeout(5):
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"hello")
        assert (await wire.answer()).body == b"POST /p hello"


async def test_after_refusing_a_body_that_was_announced_the_connection_is_not_used_again() -> None:
    """The client may send that body or not; what follows could be either (RFC 9110, 10.1.1)."""
    async with serve(deny) as served, connect(served.port) as wire:
        await wire.send(post(b"x" * 30, more=b"expect: 100-continue\r\n")[:-30])
        answer = await wire.answer()
        assert answer.status == 401
        assert answer.headers.get(b"connection") == b"close"
        assert await wire.closed() == b""


async def test_a_body_that_nobody_reads_does_not_become_the_next_request() -> None:
    async with serve(deny) as served, connect(served.port) as wire:
        await wire.send(post(GET * 1000))
        assert (await wire.answer()).status == 401
        await wire.send(GET)
        assert (await wire.answer()).status == 401
        await asyncio.sleep(0.01)
        assert served.server.server_state.total_requests == 2


@pytest.mark.parametrize("head", [b"connection: close\r\n", b"Connection: Close\r\n"])
async def test_a_client_may_ask_for_the_end_of_the_connection(head: bytes) -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(post(b"x", more=head))
        answer = await wire.answer()
        assert answer.headers[b"connection"] == b"close"
        assert await wire.closed() == b""


async def test_http_1_0_is_answered_and_closed() -> None:
    async with serve(flood_once) as served, connect(served.port) as wire:
        await wire.send(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await wire.closed()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body == b"onetwo"


async def flood_once(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


async def test_an_upgrade_we_do_not_speak_is_answered_and_the_connection_goes_on() -> None:
    """Java's HTTP client asks for h2c with the first request of each connection."""
    upgrade = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(post(b"hello", more=upgrade))
        assert (await wire.answer()).body == b"POST /p hello"
        await wire.send(post(b"again"))
        assert (await wire.answer()).body == b"POST /p again"


async def test_an_early_answer_reaches_a_client_that_still_sends() -> None:
    async with serve(deny_and_close) as served, connect(served.port) as wire:
        wire.writer.write(post(b"x" * 8_000_000))
        answer = await wire.answer()
        assert answer.status == 413


# Applications that fail


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("a fault of ours")


async def breaking_off(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("a fault of ours")


async def giving_up(scope: Scope, receive: Receive, send: Send) -> None:
    return


@pytest.mark.parametrize("app", [failing, giving_up])
async def test_a_request_that_nobody_answers_gets_a_500(
    app: Callable[..., Awaitable[None]],
) -> None:
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(GET)
        await refused(wire, 500, "internal_error")


async def test_an_answer_that_breaks_off_is_cut_so_that_the_client_sees_it() -> None:
    async with serve(breaking_off) as served, connect(served.port) as wire:
        await wire.send(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await wire.answer()


# The end


async def test_a_running_request_is_finished_when_the_server_stops() -> None:
    app = Slow()
    async with serve(app, timeout_graceful_shutdown=5) as served, connect(served.port) as wire:
        await wire.send(GET)
        await eventually(lambda: app.begun == 1)
        served.server.stop()
        await asyncio.sleep(0.2)
        app.go.set()
        answer = await wire.answer()
        assert answer.status == 200
        assert answer.headers[b"connection"] == b"close"
        assert await wire.closed() == b""


async def test_idle_connections_are_closed_when_the_server_stops() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(GET)
        await wire.answer()
        served.server.stop()
        assert await wire.closed() == b""
