"""A hundred megabytes for a client that reads slowly: the gateway holds no more than a little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_process import gateway_process
from tests.acceptance.raw_http import CHAT, chat_body, connection, request
from tests.acceptance.scripted import Flow, runner_that
from tests.fakes.bad_peer import Wire, answer, chunk, chunked_head

pytestmark = pytest.mark.anyio

MB = 1 << 20
TOTAL_MB = 100
GROWTH_MB = 20
"""What the gateway may grow by; it would be a hundred if it held the reply."""

EVENT = json.dumps(
    {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
    | {"choices": [{"index": 0, "delta": {"content": "x" * 65_000}, "finish_reason": None}]}
).encode()
LAST = EVENT.replace(b"x" * 65_000, b"").replace(b"null", b'"stop"')


async def test_a_plain_reply_is_passed_on_as_it_is_read(tmp_path: Path) -> None:
    head = b'{"object":"list","model":"tiny","data":[{"embedding":"'
    tail = b'"}],"usage":{"prompt_tokens":1,"total_tokens":1}}'
    flow = Flow()

    async def reply(wire: Wire) -> None:
        size = len(head) + TOTAL_MB * MB + len(tail)
        whole = answer(b"", headers=[("content-type", "application/json")])
        await flow.send(wire, whole.replace(b"ength: 0", b"ength: %d" % size) + head)
        for _ in range(TOTAL_MB):
            await flow.send(wire, b"A" * MB)
        await flow.send(wire, tail)

    body = {"model": "demo", "input": "Hi"}
    asked = request("POST", "/v1/embeddings", body)
    async with runner_that(reply) as peer:
        assert await _read_slowly(tmp_path, peer.url, flow, asked) >= TOTAL_MB * MB


async def test_a_stream_is_passed_on_as_it_is_read(tmp_path: Path) -> None:
    flow = Flow()

    async def stream(wire: Wire) -> None:
        await flow.send(wire, chunked_head(headers=[("content-type", "text/event-stream")]))
        for _ in range(TOTAL_MB * 16):
            await flow.send(wire, chunk(b"data: " + EVENT + b"\n\n"))
        await flow.send(wire, chunk(b"data: " + LAST + b"\n\ndata: [DONE]\n\n") + chunk(b""))

    asked = request("POST", CHAT, chat_body(stream=True))
    async with runner_that(stream) as peer:
        assert await _read_slowly(tmp_path, peer.url, flow, asked) >= TOTAL_MB * 16 * 65_000


async def _read_slowly(folder: Path, url: str, flow: Flow, asked: bytes) -> int:
    """Ask through a gateway, wait, then read all, watching its memory; return the bytes read."""
    async with gateway_process(folder, one_model("openai", url)) as it:
        before = highest = it.rss_mb()
        async with connection(it.port, within_s=60) as slow:
            await slow.send(asked)
            assert (await slow.head())[0] == 200
            await flow.stands_still()
            assert flow.sent < TOTAL_MB * MB / 2
            got, end = 0, b""
            async for piece in slow.pieces():
                if got // MB != (got + len(piece)) // MB:
                    highest = max(highest, it.rss_mb())
                got += len(piece)
                end = (end + piece)[-20:]
    assert end.endswith((b"}", b"data: [DONE]\n\n"))
    assert highest - before < GROWTH_MB
    return got
