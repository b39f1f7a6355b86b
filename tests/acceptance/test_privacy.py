"""What callers and models say is in no log line, no metric and no error of the gateway."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_process import gateway_process
from tests.acceptance.raw_http import CHAT, Answer, ask, chat_body, connection, get, post, request
from tests.acceptance.scripted import runner_that, says
from tests.fakes.bad_peer import answer, chunked

pytestmark = pytest.mark.anyio

CANARY = "canary-7d1f"
JSON = [("content-type", "application/json")]
EVENTS = [("content-type", "text/event-stream")]
CHUNK = (
    '{"id":"1","object":"chat.completion.chunk","created":1,"model":"tiny","choices":'
    '[{"index":0,"delta":{"role":"assistant","content":"%s"},"finish_reason":%s}]}'
)
FAULTS = [
    answer(f'{{"choices":"{CANARY}"}}'.encode(), headers=JSON),
    answer(f"{CANARY} is no JSON".encode(), headers=JSON),
    answer(f"<html>{CANARY}</html>".encode(), status=500, headers=[("content-type", "text/html")]),
    f"HTTP/1.1 {CANARY}\r\n\r\n".encode(),
    chunked(f"data: {CHUNK % (CANARY, 'null')}\n\n".encode(), headers=EVENTS),
    chunked(f"data: {CANARY}\n\n".encode(), headers=EVENTS),
    chunked(f"data: {CHUNK % ('x', 'null')}\n\ndata: {{{CANARY}\n\n".encode(), headers=EVENTS),
]
"""Failures of a runner that hold what it was told or has said."""


def told(**fields: Any) -> dict[str, Any]:
    """A request that says the canary wherever a caller can say something."""
    parts = [{"type": "text", "text": CANARY}]
    tool = {"type": "function", "function": {"name": CANARY, "description": CANARY}}
    messages = [{"role": "system", "content": CANARY}, {"role": "user", "content": parts}]
    more = {"user": CANARY, "tools": [tool], "metadata": {"x": CANARY}, CANARY: CANARY}
    return chat_body() | {"messages": messages} | more | fields


async def test_no_word_of_a_conversation_is_kept_anywhere(tmp_path: Path) -> None:
    good = json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny"}
        | {"choices": [{"index": 0, "message": {"role": "assistant", "content": CANARY}}]}
    ).replace('"index": 0', '"finish_reason": "stop", "index": 0')
    stream = [CHUNK % (CANARY, "null"), CHUNK % ("", '"stop"'), "[DONE]"]
    streamed = chunked(*(f"data: {event}\n\n".encode() for event in stream), headers=EVENTS)
    scripts = [says(answer(good.encode(), headers=JSON)), says(streamed), *map(says, FAULTS)]
    async with runner_that(*scripts) as peer:
        config = one_model("openai", peer.url) | {"log": {"format": "json", "level": "debug"}}
        async with gateway_process(tmp_path, config) as it:
            assert CANARY in (await post(it.port, told())).body.decode()
            assert CANARY in (await post(it.port, told(stream=True))).body.decode()
            for at in range(len(FAULTS)):
                failed = await post(it.port, told(stream=at >= 4))
                assert CANARY not in error_text(failed)
            for refused in await wrong(it.port):
                assert CANARY not in error_text(refused)
            async with connection(it.port) as leaver:
                await leaver.send(request("POST", CHAT, told()))
            page = (await get(it.port, "/metrics")).body.decode()
            it.signal(signal.SIGTERM)
            assert await it.ended() == 0
        assert CANARY not in page
        assert CANARY not in it.text()
        # All of it is JSON, line by line, and each request has its record.
        records = it.requests()
        assert len(records) >= len(FAULTS) + 2
        assert {"time", "status", "request_id"} <= set(records[0])
        assert all(line["message"] for line in it.log() if line["event"] == "log")


async def wrong(port: int) -> list[Answer]:
    """Requests that are refused, each with the canary where its fault is."""
    return [
        await post(port, told(messages=CANARY)),
        await post(port, told(messages=[CANARY])),
        await post(port, told(temperature=CANARY)),
        await post(port, told(stop=[{"x": CANARY}])),
        await post(port, told(stream_options=CANARY)),
        await post(port, json.dumps(told()).encode()[:-1]),
        await post(port, f'{{"model": "demo", {CANARY}}}'.encode()),
        await ask(port, request("POST", CHAT, told(), {"content-encoding": "gzip"})),
    ]


def error_text(failed: Answer) -> str:
    """The error of an answer, or of the last event of a stream."""
    if failed.status != 200:
        return str(failed.json["error"])
    events = [e for e in failed.body.decode().split("\n\n") if e and e != "data: [DONE]"]
    return str(json.loads(events[-1].removeprefix("data: "))["error"])


async def test_text_logs_keep_nothing_either(tmp_path: Path) -> None:
    async with runner_that(says(FAULTS[0])) as peer:
        config = one_model("openai", peer.url) | {"log": {"format": "text", "level": "debug"}}
        async with gateway_process(tmp_path, config) as it:
            assert (await post(it.port, told())).status == 502
            it.signal(signal.SIGTERM)
            assert await it.ended() == 0
        assert "502" in it.text()
        assert CANARY not in it.text()
