"""What clients may do to a connection, well-meant and not, and what they get for it."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send

from gateway.server.limits import MAX_HEAD_BYTES, ConnectionLimits
from tests.gateway.server.apps import Slow, deny, deny_and_close, echo, flood, reply
from tests.gateway.serving import Answer, Served, Wire, connect, eventually, serve

pytestmark = pytest.mark.anyio

QUICK = ConnectionLimits(head_s=0.15, connections=100, idle_s=0.5)
CHUNKED = b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def post(body: bytes, path: bytes = b"/p", more: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n"
    return head % (path, more, len(body)) + body


GET = b"GET /g HTTP/1.1\r\nhost: x\r\n\r\n"


def error_of(answer: Answer) -> dict[str, str | None]:
    assert answer.headers[b"content-type"] == b"application/json"
    error: dict[str, str | None] = json.loads(answer.body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


async def refused(wire: Wire, status: int, code: str) -> str:
    """The connection ends with this error, in the shape that API clients read."""
    answer = await wire.answer()
    assert answer.status == status
    assert answer.headers[b"connection"] == b"close"
    error = error_of(answer)
    assert error["code"] == code
    assert await wire.closed() == b""
    return str(error["message"])


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


# Heads that never end


async def test_a_head_that_does_not_come_to_its_end_is_refused_with_408() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\n")
        message = await refused(wire, 408, "request_timeout")
        assert "within 0.15 s" in message


async def test_a_head_that_trickles_gets_no_more_time() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        began = asyncio.get_running_loop().time()

        async def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 1000:
                await wire.send(bytes([byte]))
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        await refused(wire, 408, "request_timeout")
        assert asyncio.get_running_loop().time() - began < 2
        trickling.cancel()
        await asyncio.wait([trickling])


async def test_a_second_head_that_does_not_end_is_refused_too() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(post(b"x"))
        await wire.answer()
        await wire.send(b"GET /")
        await refused(wire, 408, "request_timeout")


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        assert await wire.closed() == b""


async def test_an_idle_connection_outlives_the_time_for_a_head() -> None:
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=30.0)
    async with serve(echo, limits) as served, connect(served.port) as wire:
        for _ in range(3):
            await wire.send(GET)
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.12)


async def test_stray_line_ends_between_requests_do_not_begin_a_head() -> None:
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=30.0)
    async with serve(echo, limits) as served, connect(served.port) as wire:
        await wire.send(post(b"x"))
        assert (await wire.answer()).status == 200
        await wire.send(b"\r\n")
        await asyncio.sleep(0.12)
        await wire.send(GET)
        assert (await wire.answer()).body == b"GET /g "


async def test_an_idle_connection_is_closed_in_the_end() -> None:
    async with serve(echo, QUICK) as served, connect(served.port) as wire:
        await wire.send(GET)
        assert (await wire.answer()).status == 200
        assert await wire.closed() == b""


async def test_a_request_in_progress_is_not_killed_by_any_timer() -> None:
    app = Slow()
    limits = ConnectionLimits(head_s=0.05, connections=100, idle_s=0.05)
    async with serve(app, limits) as served, connect(served.port) as wire:
        await wire.send(GET)
        await asyncio.sleep(0.2)
        app.go.set()
        assert (await wire.answer()).status == 200


# Too large


async def test_a_head_of_the_largest_size_is_served() -> None:
    head = b"GET / HTTP/1.1\r\nx: %b\r\n\r\n"
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(head % (b"y" * (MAX_HEAD_BYTES - len(head) - 100)))
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx: " + b"y" * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * (MAX_HEAD_BYTES // 6),
        b"GET /" + b"y" * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["header", "headers", "target", "complete"],
)
async def test_a_head_that_is_too_large_is_refused_with_431(head: bytes) -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(head)
        assert "64 KB" in await refused(wire, 431, "headers_too_large")


async def test_a_large_body_behind_a_small_head_is_no_large_head() -> None:
    async with serve(echo) as served, connect(served.port) as wire:
        for _ in range(2):
            await wire.send(post(b"x" * 200_000))
            assert (await wire.answer()).status == 200


async def test_a_pipelined_head_that_is_too_large_does_not_spoil_the_answer_before_it() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(GET)
        await eventually(lambda: app.begun == 1)
        wire.writer.write(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200_000)
        await asyncio.sleep(0.05)
        app.go.set()
        assert (await wire.answer()).body == b"/g"


@pytest.mark.parametrize(
    "trailers", [(b"x: " + b"y" * 10_000 + b"\r\n") * 2000, b"x: " + b"y" * 20_000_000]
)
async def test_endless_trailers_are_cut_off(trailers: bytes) -> None:
    """Nobody reads them, so nothing else would bound them."""
    async with serve(echo) as served, connect(served.port) as wire:
        await wire.send(CHUNKED + b"1\r\nx\r\n0\r\n")
        with pytest.raises(ConnectionError):
            await wire.send(trailers)


async def test_a_body_in_tiny_chunks_costs_no_more_than_its_bytes() -> None:
    count = 40_000
    async with serve(echo) as served, connect(served.port) as wire:
        began = time.process_time()
        await wire.send(CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n")
        assert (await wire.answer()).body == b"POST /c " + b"x" * count
        # One look at every piece for each new piece would take some twenty seconds.
        assert time.process_time() - began < 2


async def test_an_application_that_does_not_read_is_not_sent_the_whole_body() -> None:
    app = Slow()

    async def lazy(scope: Scope, receive: Receive, send: Send) -> None:
        await app.go.wait()

    async with serve(lazy) as served, connect(served.port) as wire:
        wire.writer.write(post(b"x" * 30_000_000))
        await eventually(lambda: wire.writer.transport.get_write_buffer_size() > 0)
        before = -1
        while before != (left := wire.writer.transport.get_write_buffer_size()):
            before = left
            await asyncio.sleep(0.05)
        assert left > 10_000_000
        app.go.set()


# Not HTTP


GARBAGE = (
    b"hello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nx y: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: \x00\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n",
)


async def test_what_is_not_http_is_refused_with_400(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(echo) as served:
        for garbage in GARBAGE:
            async with connect(served.port) as wire:
                await wire.send(garbage)
                await refused(wire, 400, "invalid_http")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


UPGRADE = b"connection: upgrade\r\nupgrade: h2c\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED[:-2] + UPGRADE + b"\r\nzz\r\n",
        post(b"x", more=UPGRADE) + b"\x00 garbage\r\n\r\n",
        post(b"x", more=UPGRADE) * 3,
    ],
    ids=["chunk", "garbage", "pipelined"],
)
async def test_an_upgrade_with_nonsense_behind_it_ends_like_any_other_request(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with serve(deny, QUICK) as served, connect(served.port) as wire:
        await wire.send(request_)
        assert (await wire.closed()).startswith(b"HTTP/1.1 40")
        await eventually(lambda: not served.connections and not served.tasks)
    assert not caplog.records


async def test_garbage_after_a_request_does_not_spoil_its_answer() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(GET)
        await eventually(lambda: app.begun == 1)
        await wire.send(b"\x00\x01\x02 garbage \r\n\r\n")
        await asyncio.sleep(0.02)
        app.go.set()
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b"/g")
        assert await wire.closed() == b""


async def test_a_broken_chunk_ends_the_request_and_leaves_nothing_behind() -> None:
    app = Slow()
    async with serve(app) as served, connect(served.port) as wire:
        await wire.send(CHUNKED + b"zz\r\n")
        await eventually(lambda: not served.connections and not served.tasks)


def mutated(chance: random.Random) -> list[bytes]:
    """A request in pieces, with some bytes of it made up."""
    request = bytearray(
        chance.choice([GET, post(b"hello"), CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"]) * 2
    )
    for _ in range(chance.randrange(6)):
        request[chance.randrange(len(request))] = chance.randrange(256)
    cut = chance.randrange(len(request))
    return [bytes(request[:cut]), bytes(request[cut:])]


async def test_whatever_comes_the_connection_ends_and_nothing_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(1)
    caplog.set_level(logging.WARNING)

    async def attempt(port: int, pieces: list[bytes]) -> None:
        async with connect(port) as wire:
            for piece in pieces:
                wire.writer.write(piece)
                await asyncio.sleep(0)
            answers = await wire.closed()
            assert not answers or answers.startswith(b"HTTP/1.1 ")

    async with serve(echo, QUICK) as served:
        garbage = [[chance.randbytes(50), chance.randbytes(50)] for _ in range(20)]
        requests = [mutated(chance) for _ in range(70)]
        await asyncio.gather(*(attempt(served.port, each) for each in garbage + requests))
        await eventually(lambda: not served.connections and not served.tasks)
    # The application does notice clients that leave in the middle of a body; the server must not.
    assert {record.message for record in caplog.records} <= {"the application failed"}


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
