"""Runners that fail: callers get an error that names the runner, never half an answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import Answer, chat_body, post
from tests.acceptance.refusal import error_of
from tests.acceptance.scripted import Actor, in_front_of, says, says_and_stalls
from tests.fakes.bad_peer import answer, chunk, chunked, chunked_head
from tests.fakes.fault import Fault
from tests.fakes.fault import Script as Happening
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

JSON = [("content-type", "application/json")]

EVENTS = [("content-type", "text/event-stream")]

HTML = [("content-type", "text/html")]

FIRST = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"tiny","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}\n\n'
)

GARBAGE: dict[str, bytes] = {
    "bytes that are no HTTP": b"\x00\x01\x02 what is this\r\n\r\n",
    "no answer": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "a head without end": b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 500_000,
    "an empty 200": answer(b"", headers=JSON),
    "a page": answer(b"<html><h1>It works!</h1></html>", headers=HTML),
    "JSON that is cut": answer(b'{"id":"1","choices":[{"mess', headers=JSON),
    "JSON that is no object": answer(b"[]", headers=JSON),
    "null": answer(b"null", headers=JSON),
    "an object without choices": answer(b"{}", headers=JSON),
    "choices that are a string": answer(b'{"choices":"none"}', headers=JSON),
    "a body shorter than it says": answer(b'{"id":"1"}', headers=JSON)[:-4],
    "chunks without end": chunked_head(headers=JSON) + chunk(b'{"id":"1",'),
    "a wrong chunk": chunked_head(headers=JSON) + b"zz\r\nhello\r\n",
    "a redirect": answer(b"", status=302, headers=[("location", "http://127.0.0.1:1/")]),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "bytes that are no UTF-8": answer(b'{"choices":[{"x":"\xff\xfe"}]}', headers=JSON),
}

GARBAGE_STREAMS: dict[str, bytes] = {
    "no answer": b"",
    "an empty 200": answer(b"", headers=EVENTS),
    "a page": answer(b"<html><h1>It works!</h1></html>", headers=HTML),
    "a stream without events": chunked(headers=EVENTS),
    "only [DONE]": chunked(b"data: [DONE]\n\n", headers=EVENTS),
    "events that are no JSON": chunked(b"data: hello\n\n", b"data: [DONE]\n\n", headers=EVENTS),
    "an error as the first event": chunked(
        b'data: {"error":{"message":"no memory"}}\n\n', headers=EVENTS
    ),
    "a first event that never ends": chunked_head(headers=EVENTS) + chunk(FIRST[:50]),
    "an event that is too long": chunked(b"data: " + b"x" * 40_000_000, headers=EVENTS),
}

BROKEN_STREAMS: dict[str, bytes] = {
    "cut": chunked_head(headers=EVENTS) + chunk(FIRST),
    "cut inside an event": chunked_head(headers=EVENTS) + chunk(FIRST + FIRST[:30]),
    "cut inside a chunk": chunked_head(headers=EVENTS) + chunk(FIRST) + b"ff\r\ndata:",
    "ended without a reason": chunked(FIRST, headers=EVENTS),
    "ended too early with [DONE]": chunked(FIRST, b"data: [DONE]\n\n", headers=EVENTS),
    "an error event": chunked(
        FIRST, b'data: {"error":{"message":"no memory"}}\n\n', headers=EVENTS
    ),
    "garbage": chunked(FIRST, b"data: {what\n\n", headers=EVENTS),
    "a wrong chunk": chunked_head(headers=EVENTS) + chunk(FIRST) + b"zz\r\nhello\r\n",
    "an object that is no chunk": chunked(FIRST, b'data: "hello"\n\n', headers=EVENTS),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Here, Actor]]:
    actor = Actor()
    async with in_front_of(tmp_path_factory.mktemp("gateway"), actor) as here:
        yield here, actor


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_instead_of_a_reply_is_502_and_names_the_runner(
    front: tuple[Here, Actor], data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    here, actor = front
    actor.script = says(data)
    error = error_of(await post(here.port, chat_body()), 502)
    assert "'box'" in error["message"] or "runner box" in error["message"]
    assert error["type"] == "server_error"
    assert [r for r in caplog.records if r.exc_info] == []


@pytest.mark.parametrize("data", GARBAGE_STREAMS.values(), ids=GARBAGE_STREAMS)
async def test_a_stream_that_never_begins_is_a_plain_error_or_an_error_event(
    front: tuple[Here, Actor], data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    here, actor = front
    actor.script = says(data)
    answered = await post(here.port, chat_body(stream=True))
    error = last_error(answered) if answered.status == 200 else error_of(answered, 502)
    assert "box" in error["message"]
    assert [r for r in caplog.records if r.exc_info] == []


@pytest.mark.parametrize("data", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS)
async def test_a_stream_that_breaks_off_ends_in_an_error_event(
    front: tuple[Here, Actor], data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    here, actor = front
    actor.script = says(data)
    answered = await post(here.port, chat_body(stream=True))
    assert answered.status == 200
    assert b'"content":"Hel"' in answered.body
    assert "box" in last_error(answered)["message"]
    async with openai.AsyncOpenAI(base_url=here.base_url, api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="box"):
            async for _ in stream:
                pass
    assert [r for r in caplog.records if r.exc_info] == []


def last_error(answered: Answer) -> dict[str, Any]:
    """The error event at the end of a stream, which has all four keys."""
    events = answered.body.decode().split("\n\n")
    assert events[-1] == ""
    events = [event for event in events[:-1] if event != "data: [DONE]"]
    error: dict[str, Any] = json.loads(events[-1].removeprefix("data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_a_runner_that_is_killed_in_mid_stream_is_a_broken_stream(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=100) as runner:
        runner.script = Happening(Fault.CUT, after=5)
        async with gateway_here(tmp_path, one_model("vllm", runner.url)) as here:
            answered = await post(here.port, chat_body(stream=True, max_tokens=20))
            assert last_error(answered)["code"] is not None
            assert here.in_flight() == 0


async def test_headers_and_then_silence_is_504(tmp_path: Path) -> None:
    timeouts = {"first_token_s": 0.3, "total_s": 5, "idle_s": 5}
    head = chunked_head(headers=EVENTS)
    async with in_front_of(tmp_path, says_and_stalls(head), timeouts=timeouts) as here:
        answered = await post(here.port, chat_body(stream=True))
        error = error_of(answered, 504)
        assert "box" in error["message"]
        assert 0.25 < answered.took_s < 3


async def test_complete_silence_is_504(tmp_path: Path) -> None:
    timeouts = {"first_token_s": 0.3, "total_s": 5, "idle_s": 5}
    async with in_front_of(tmp_path, says_and_stalls(b""), timeouts=timeouts) as here:
        answered = await post(here.port, chat_body(stream=True))
        error_of(answered, 504)
        assert answered.headers["x-should-retry"] == "false"
        assert 0.25 < answered.took_s < 3


async def test_a_plain_reply_has_only_the_total_as_its_budget(tmp_path: Path) -> None:
    timeouts = {"first_token_s": 0.1, "total_s": 0.5, "idle_s": 0.1}
    async with in_front_of(tmp_path, says_and_stalls(b""), timeouts=timeouts) as here:
        answered = await post(here.port, chat_body())
        error_of(answered, 504)
        assert 0.4 < answered.took_s < 3


async def test_silence_in_mid_stream_ends_in_an_error_event(tmp_path: Path) -> None:
    timeouts = {"idle_s": 0.3, "first_token_s": 5, "total_s": 10}
    data = chunked_head(headers=EVENTS) + chunk(FIRST)
    async with in_front_of(tmp_path, says_and_stalls(data), timeouts=timeouts) as here:
        answered = await post(here.port, chat_body(stream=True))
        assert "box" in last_error(answered)["message"]
        assert 0.25 < answered.took_s < 3


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.CRASH, 502), (Fault.HTML, 502), (Fault.EMPTY, 502)]
)
async def test_a_runner_that_fails_in_its_own_words_is_502(
    tmp_path: Path, fault: Fault, status: int
) -> None:
    async with FakeRunner("llamacpp") as runner:
        runner.script = Happening(fault)
        async with gateway_here(tmp_path, one_model("llamacpp", runner.url)) as here:
            for stream in (False, True):
                error = error_of(await post(here.port, chat_body(stream=stream)), status)
                assert "box" in error["message"]
