"""What is wrong below paths and bodies: framing, versions, and bytes that are no HTTP at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.acceptance.raw_http import (
    CHAT,
    ask,
    chat_body,
    connection,
    get,
    head,
    post,
    request,
)
from tests.acceptance.refusal import AT_ONCE_S, error_of
from tests.acceptance.stand import Stand, stand
from tests.backends.launch.processes import eventually

pytestmark = pytest.mark.anyio

BODY = json.dumps(chat_body()).encode()

NO_HTTP: dict[str, bytes] = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "words": b"hello there\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100c4010000c00303") + b"\x00" * 64,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /health HTTP/3.1\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "a method that does not exist": b"FETCH /health HTTP/1.1\r\nhost: x\r\n\r\n",
    "a space before the colon": head("content-length : 5") + b"12345",
    "a header without a colon": head("content-length 5") + b"12345",
    "a NUL in a header": head("x-request-id: a\x00b"),
    "a line break in a header": b"GET /health HTTP/1.1\r\nhost: x\r\nx-a: b\rx-c: d\r\n\r\n",
    "two lengths": head("content-length: 5", "content-length: 6") + b"123456",
    "a negative length": head("content-length: -1"),
    "a length in words": head("content-length: five") + b"12345",
    "a length with a sign": head("content-length: +5") + b"12345",
    "a length in hex": head("content-length: 0x5") + b"12345",
    "a length beyond any integer": head("content-length: " + "9" * 40),
    "a list of lengths": head("content-length: 5, 5") + b"12345",
    "a length and chunks": head("content-length: 4", "transfer-encoding: chunked") + b"0\r\n\r\n",
    "chunks and a length": head("transfer-encoding: chunked", "content-length: 4") + b"0\r\n\r\n",
    "an unknown coding": head("transfer-encoding: chunked, gzip") + b"0\r\n\r\n",
    "a hidden coding": head("transfer-encoding: xchunked") + b"0\r\n\r\n",
    "a chunk size that is no number": head("transfer-encoding: chunked") + b"zz\r\nhello\r\n",
    "a negative chunk size": head("transfer-encoding: chunked") + b"-5\r\nhello\r\n",
    "a chunk size beyond any integer": head("transfer-encoding: chunked") + b"f" * 30 + b"\r\nx",
    "a chunk longer than it says": head("transfer-encoding: chunked") + b"2\r\nhello\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with stand(tmp_path_factory.mktemp("gateway")) as built:
        yield built


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http_is_refused_and_the_connection_closed(
    on: Stand, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(data)
            answer = await wire.answer()
            await wire.closed()
    error_of(answer, 400)
    assert answer.headers["connection"] == "close"
    assert answer.took_s < AT_ONCE_S


async def test_a_head_that_is_too_large_is_431(on: Stand, caplog: pytest.LogCaptureFixture) -> None:
    with on.untouched(caplog):
        for data in (
            request("GET", "/health", headers={"x-long": "a" * 70_000}),
            request("GET", "/health", headers={f"x-{i}": "a" * 100 for i in range(700)}),
            request("GET", "/" + "a" * 70_000),
        ):
            answer = await ask(on.port, data)
            error_of(answer, 431)
            assert answer.headers["connection"] == "close"


async def test_two_requests_sent_at_once_are_answered_in_order(on: Stand) -> None:
    async with connection(on.port) as wire:
        await wire.send(request("POST", CHAT, chat_body()) + request("POST", CHAT, b"{"))
        assert (await wire.answer()).status == 200
        error_of(await wire.answer(), 400)


async def test_garbage_behind_a_request_does_not_spoil_its_answer(on: Stand) -> None:
    async with connection(on.port) as wire:
        await wire.send(request("POST", CHAT, chat_body()) + b"\x00garbage\r\n\r\n")
        assert (await wire.answer()).status == 200
        await wire.closed()


async def test_garbage_in_the_middle_of_a_stream_is_not_answered_in_the_middle_of_it(
    on: Stand,
) -> None:
    on.runner.tokens_per_s = 20
    try:
        async with connection(on.port) as wire:
            await wire.send(request("POST", CHAT, chat_body(stream=True, max_tokens=20)))
            status, _ = await wire.head()
            assert status == 200
            seen = b""
            try:
                async for piece in wire.pieces():
                    if not seen:
                        await wire.write(b"\x00garbage\r\n\r\n")
                    seen += piece
            except (asyncio.IncompleteReadError, ConnectionError):
                # It may be cut off for it, but not with an answer inside the answer.
                pass
            assert b"invalid_http" not in seen
    finally:
        on.runner.tokens_per_s = None
    await eventually(lambda: on.gateway.in_flight() == 0)


async def test_a_request_of_http_1_0_gets_an_answer_without_chunks(on: Stand) -> None:
    answer = await ask(on.port, request("POST", CHAT, chat_body(), version="1.0"))
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
    answer = await ask(on.port, request("POST", CHAT, chat_body(stream=True), version="1.0"))
    assert answer.status == 200
    # RFC 9112 section 6.1: chunks must not be sent to a client of HTTP/1.0.
    assert "transfer-encoding" not in answer.headers
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_asks_first_may_go_on(on: Stand) -> None:
    async with connection(on.port) as wire:
        await wire.send(head(f"content-length: {len(BODY)}", "expect: 100-continue"))
        assert (await wire.head())[0] == 100
        await wire.write(BODY)
        assert (await wire.answer()).status == 200


async def test_a_request_that_asks_first_and_is_too_large_is_refused_first(on: Stand) -> None:
    async with connection(on.port) as wire:
        await wire.send(head(f"content-length: {1 << 40}", "expect: 100-continue"))
        error_of(await wire.answer(), 413)


async def test_a_wish_to_upgrade_is_overlooked(on: Stand) -> None:
    headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    answer = await get(on.port, "/v1/models", headers)
    assert answer.status == 200
    error_of(await get(on.port, CHAT, headers), 405)


async def test_an_unsound_request_id_is_not_given_back(on: Stand) -> None:
    for unsound in ("a b", "<script>", "x" * 200, "é", ""):
        answer = await post(on.port, chat_body(), x_request_id=unsound)
        assert answer.headers["x-request-id"].startswith("req_")
    answer = await post(on.port, chat_body(), x_request_id="mine:1.2-3_4")
    assert answer.headers["x-request-id"] == "mine:1.2-3_4"


async def test_a_chunked_body_is_read(on: Stand) -> None:
    async with connection(on.port) as wire:
        await wire.send(head("transfer-encoding: chunked"))
        for at in range(0, len(BODY), 7):
            piece = BODY[at : at + 7]
            await wire.write(b"%x;name=value\r\n%b\r\n" % (len(piece), piece))
        await wire.write(b"0\r\nx-trailer: 1\r\n\r\n")
        assert (await wire.answer()).status == 200
        await wire.send(request("GET", "/v1/models"))
        assert (await wire.answer()).status == 200
