"""Chat over both of Ollama's APIs, against the fake, over real sockets."""

from __future__ import annotations

import json

import pytest

from backends.base import TargetModel, Usage
from tests.backends.ollama_calls import TARGET, call
from tests.backends.ollama_driver import BOTH_WAYS, PINNED, TOOLS, answered, driven, streamed, text
from tests.backends.ollama_lines import deltas
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import Answer

pytestmark = pytest.mark.anyio

CALLING = {"tool_calls": [{"id": "", "function": {"name": "add", "arguments": {"a": 1}}}]}


@BOTH_WAYS
async def test_a_stream_reads_the_same_over_both_apis(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer(({"thinking": "hm"}, {"content": "Hel"}, {"content": "lo"}))
        asked = call(stream=True, stream_options={"include_usage": True})
        prepared = backend.prepare(asked, target)
        assert prepared.native is (target is PINNED)
        chunks, reader = await streamed(backend, prepared)
        assert text(chunks) == "Hello"
        assert deltas(chunks)[0]["role"] == "assistant"
        thinking = [delta for delta in deltas(chunks) if delta.get("reasoning")]
        assert [(d["reasoning"], d["reasoning_content"]) for d in thinking] == [("hm", "hm")]
        assert [c["choices"][0]["finish_reason"] for c in chunks[:-2]][-1] == "stop"
        assert chunks[-2]["usage"]["completion_tokens"] == 3
        assert chunks[-1] == "[DONE]"
        assert {chunk["model"] for chunk in chunks[:-1]} == {"public"}
        assert reader.usage == Usage(1, 3)
        assert (reader.started, reader.failed) == (True, None)


@BOTH_WAYS
async def test_usage_nobody_asked_for_is_not_sent(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        chunks, reader = await streamed(backend, backend.prepare(call(stream=True), target))
        assert all("usage" not in chunk for chunk in chunks[:-1])
        assert reader.usage == Usage(1, 3)


@BOTH_WAYS
async def test_a_whole_reply_reads_the_same_over_both_apis(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        reply = await answered(backend, backend.prepare(call(), target))
        assert reply["choices"][0]["message"]["content"] == "Hello there."
        assert reply["choices"][0]["finish_reason"] == "stop"
        assert reply["model"] == "public"
        assert reply["usage"]["total_tokens"] == 4


@BOTH_WAYS
@pytest.mark.parametrize("stream", [False, True])
async def test_ids_do_not_repeat(target: TargetModel, stream: bool) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        prepared = backend.prepare(call(stream=stream), target)
        ids = set()
        for _ in range(5):
            if stream:
                chunks, _reader = await streamed(backend, prepared)
                (one,) = {chunk["id"] for chunk in chunks[:-1]}
            else:
                one = (await answered(backend, prepared))["id"]
            ids.add(one)
        assert len(ids) == 5
        assert all(len(one) > 20 and one.startswith("chatcmpl-") for one in ids)


@BOTH_WAYS
async def test_tools_are_called_over_both_apis(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer((CALLING,))
        reply = await answered(backend, backend.prepare(call(tools=TOOLS), target))
        (called,) = reply["choices"][0]["message"]["tool_calls"]
        assert json.loads(called["function"]["arguments"]) == {"a": 1}
        assert reply["choices"][0]["finish_reason"] == "tool_calls"
        asked = call(tools=TOOLS, stream=True)
        chunks, _ = await streamed(backend, backend.prepare(asked, target))
        (streamed_call,) = [c for delta in deltas(chunks) for c in delta.get("tool_calls", ())]
        assert streamed_call["function"] == called["function"]
        assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


@BOTH_WAYS
async def test_no_tool_is_shown_when_none_may_be_called(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        asked = call(tools=TOOLS, tool_choice="none")
        prepared = backend.prepare(asked, target)
        await answered(backend, prepared)
        assert "tools" not in fake.requests[-1].json
        assert prepared.ignored == ()


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_token_limit_holds(name: str, stream: bool) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer(tuple({"content": f"{n} "} for n in range(50)))
        prepared = backend.prepare(call(stream=stream, **{name: 4}), TARGET)
        if stream:
            chunks, _ = await streamed(backend, prepared)
            assert text(chunks) == "0 1 2 3 "
            assert chunks[-2]["choices"][0]["finish_reason"] == "length"
        else:
            choice = (await answered(backend, prepared))["choices"][0]
            assert choice["message"]["content"] == "0 1 2 3 "
            assert choice["finish_reason"] == "length"


async def test_a_pinned_context_is_loaded_once_whatever_callers_ask_for() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        for fields in ({}, {"num_ctx": 131072}, {"options": {"num_ctx": 2048}}, {"max_tokens": 1}):
            await answered(backend, backend.prepare(call(**fields), PINNED))
        assert fake.engine.loads == [("llama3:8b", 8192)]


async def test_a_request_does_not_change_its_sampling_with_the_api_it_takes() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        prepared = backend.prepare(call(max_tokens=5), TARGET)
        assert prepared.native
        options = json.loads(prepared.body)["options"]
        assert (options["temperature"], options["top_p"]) == (1.0, 1.0)
        await answered(backend, prepared)


async def test_parts_stay_one_message() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        await answered(
            backend, backend.prepare(call(messages=[{"role": "user", "content": parts}]), TARGET)
        )
        assert fake.requests[-1].json["messages"] == [{"role": "user", "content": "a\nb"}]
