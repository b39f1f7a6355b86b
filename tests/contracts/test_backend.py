"""What every backend promises, whatever runner it stands for (see `backends.base.Backend`)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backends.base import BackendKind, Operation, RunnerState
from backends.catalog import connect
from backends.errors import (
    ConnectFailed,
    ReplyInvalid,
    RequestUnsupported,
    RunnerRefused,
)
from backends.transport import Timeouts, Transport
from tests.backends.openai_replies import deltas, events
from tests.contracts.rig import MESSAGES, Rig
from tests.fakes.eventually import eventually
from tests.fakes.fault import Script
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

LONG: list[Any] = MESSAGES * 3000
LONG_ANSWER = {"vllm": 400, "llama-cpp-python": 60}
"""Tokens that fit a context of 512; and the least, for a server that often generates to the end
although its client has left."""


async def test_a_runner_that_is_well_is_ready(rig: Rig) -> None:
    probe = await rig.backend.probe()
    assert probe.state is RunnerState.READY, probe.detail
    assert probe.models is None or rig.model in {card.id for card in probe.models}
    assert (probe.slots or rig.backend.default_slots) >= 1
    if rig.requests is not None:
        assert {seen.method for seen in rig.requests} == {"GET"}


async def test_a_chat_is_answered_under_the_public_name(rig: Rig) -> None:
    reply = await rig.reply(rig.prepare())
    document = json.loads(reply.body)
    (choice,) = document["choices"]
    assert document["model"] == "public"
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] in ("stop", "length")
    assert reply.usage is not None
    assert reply.usage.prompt_tokens > 0
    assert document["usage"]["prompt_tokens"] == reply.usage.prompt_tokens


@pytest.mark.parametrize("asked", [True, False])
async def test_a_streamed_chat_is_complete(rig: Rig, asked: bool) -> None:
    fields = {"stream": True} | ({"stream_options": {"include_usage": True}} if asked else {})
    out, reader = await rig.stream(rig.prepare(**fields))
    *chunks, done = events(out)
    assert (done, reader.failed) == ("[DONE]", None)
    assert {chunk["model"] for chunk in chunks} == {"public"}
    assert deltas(chunks)[0]["role"] == "assistant"
    assert [bool(chunk.get("usage")) for chunk in chunks[-2:]] == [False, asked]
    assert reader.usage is not None
    assert reader.usage.prompt_tokens > 0


async def test_a_streamed_text_completion_is_complete(rig: Rig) -> None:
    prepared = rig.prepare(Operation.COMPLETIONS, prompt="def f(", stream=True)
    out, reader = await rig.stream(prepared)
    *chunks, done = events(out)
    assert (done, reader.failed) == ("[DONE]", None)
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert reasons[-1] in ("stop", "length")
    assert all("text" in choice for chunk in chunks for choice in chunk["choices"])
    assert b'"role"' not in out


async def test_unknown_fields_reach_the_runner_or_are_told(rig: Rig) -> None:
    prepared = rig.prepare(x_unknown={"price": 1.5, "big": 123456789012345678901234567890})
    await rig.reply(prepared)
    if rig.requests is not None:
        assert rig.requests[-1].body == prepared.body
    sent = b'"x_unknown":{"price": 1.5, "big": 123456789012345678901234567890}' in prepared.body
    assert sent is not ("x_unknown" in prepared.ignored)


async def test_a_request_id_of_any_form_does_no_harm(rig: Rig) -> None:
    await rig.reply(rig.prepare(), extra=b"x-request-id: req_1\r\ntraceparent: 00-ab-cd-01\r\n")
    if rig.requests is not None:
        assert rig.requests[-1].headers["traceparent"] == "00-ab-cd-01"


async def test_a_wrong_value_is_the_callers_fault(rig: Rig) -> None:
    if rig.fake is not None:
        rig.fake.script = Script(case="err_bad_temperature")
    with pytest.raises((RunnerRefused, RequestUnsupported)) as raised:
        await rig.reply(rig.prepare(temperature="hot"))
    error = raised.value
    assert isinstance(error, RunnerRefused | RequestUnsupported)
    assert error.param == "temperature"
    if isinstance(error, RunnerRefused):
        assert (error.status, error.type) == (400, "invalid_request_error")
        assert not error.retryable


async def test_leaving_in_the_middle_of_a_stream_cuts_the_connection(rig: Rig) -> None:
    if rig.kind == "ollama":
        pytest.skip(
            "its fake is scripted otherwise, see tests/backends/test_ollama_cancellation.py"
        )
    if rig.fake is not None:
        rig.fake.tokens_per_s = 50.0
    begun = asyncio.Event()

    async def read() -> None:
        wanted = LONG_ANSWER.get(rig.kind, 1500)
        prepared = rig.prepare(stream=True, max_tokens=wanted, ignore_eos=True)
        async with rig.opened(prepared) as response:
            assert response.status == 200
            await response.chunk()
            begun.set()
            while await response.chunk():
                pass

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await eventually(lambda: rig.transport.open_connections == 0)
    if rig.fake is not None:
        fake = rig.fake
        await eventually(lambda: fake.inferences[0].cut and fake.in_flight == 0)
    async with asyncio.timeout(20):
        await rig.reply(rig.prepare(max_tokens=1))


async def test_a_runner_that_is_not_there_was_not_reached(rig: Rig) -> None:
    async with FakeRunner("vllm") as gone:
        url = gone.url
    backend = connect(rig.kind, Transport(url), name="r")
    with pytest.raises(ConnectFailed) as raised:
        await backend.open(rig.prepare(), extra=b"", timeouts=Timeouts())
    assert not raised.value.reached
    probe = await backend.probe()
    assert probe.state is RunnerState.DOWN
    assert url in probe.detail
    await backend.aclose()


async def test_closing_twice_is_closing_once(rig: Rig) -> None:
    await rig.reply(rig.prepare())
    await rig.backend.aclose()
    await rig.backend.aclose()
    assert rig.transport.open_connections == 0
    with pytest.raises(ConnectFailed):
        await rig.reply(rig.prepare())
    assert (await rig.backend.probe()).state is RunnerState.DOWN


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_beyond_the_context_is_told(real_rig: Rig, stream: bool) -> None:
    error = await real_rig.refusal(real_rig.prepare(messages=LONG, stream=stream))
    if real_rig.kind == "llama-cpp-python" and stream:  # it sends a 200 and nothing else
        assert isinstance(error, ReplyInvalid)
        assert "longer than its context" in str(error)
    else:
        assert isinstance(error, RunnerRefused)
        assert (error.status, error.code) == (400, "context_length_exceeded")


async def test_embeddings_of_a_runner_without_them_name_the_remedy(rig: Rig) -> None:
    if rig.kind in ("ollama", "openai"):
        pytest.skip("they depend on the model, not on how the runner was started")
    error = await rig.refusal(rig.prepare(Operation.EMBEDDINGS, input="x"))
    assert isinstance(error, RunnerRefused)
    assert (error.status, error.code) == (400, "unsupported_operation")


async def test_a_json_schema_is_honoured_in_every_dialect(real_rig: Rig) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    prepared = real_rig.prepare(max_completion_tokens=200, max_tokens=200, response_format=wanted)
    document = json.loads((await real_rig.reply(prepared)).body)
    (choice,) = document["choices"]
    if choice["finish_reason"] == "stop":
        assert set(json.loads(choice["message"]["content"])) == {"ok"}
    else:  # a random model may go on with white space, which the schema allows
        assert choice["message"]["content"].lstrip().startswith("{")


async def test_what_a_dialect_cannot_say_is_told_before_it_is_tried() -> None:
    rig = Rig("llama-cpp-python", "http://127.0.0.1:1")
    image = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    with pytest.raises(RequestUnsupported) as raised:
        rig.prepare(messages=[{"role": "user", "content": image}])
    assert not raised.value.reached


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("kind", ["llamacpp", "llama-cpp-python", "vllm", "openai"])
async def test_embeddings_come_as_they_were_asked_for(kind: BackendKind, encoding: str) -> None:
    async with FakeRunner("vllm" if kind == "openai" else kind, embeddings=True) as fake:
        rig = Rig(kind, fake.url)
        asked = {"input": "a", "encoding_format": encoding}
        reply = await rig.reply(rig.prepare(Operation.EMBEDDINGS, **asked))
        document = json.loads(reply.body)
        assert document["model"] == "public"
        wanted = list if encoding == "float" else str
        assert [type(item["embedding"]) for item in document["data"]] == [wanted]
        assert reply.usage is not None
        assert reply.usage.prompt_tokens == 1
        await rig.backend.aclose()
