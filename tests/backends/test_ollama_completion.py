"""Text completion and embeddings over both of Ollama's APIs."""

from __future__ import annotations

import json

import pytest

from backends.base import Operation, TargetModel, Usage
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama_native.embedding import openai_embeddings
from tests.backends.ollama_calls import TARGET, call
from tests.backends.ollama_driver import BOTH_WAYS, PINNED, WAITING, answered, driven, streamed
from tests.fakes.ollama import FakeOllama

pytestmark = pytest.mark.anyio


@BOTH_WAYS
async def test_a_text_completion_reads_the_same_over_both_apis(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        asked = call(Operation.COMPLETIONS, prompt=["Once"], max_tokens=2)
        prepared = backend.prepare(asked, target)
        assert prepared.native is (target is PINNED)
        reply = await answered(backend, prepared)
        assert reply["choices"][0]["text"] == "Hello there"
        assert reply["choices"][0]["finish_reason"] == "length"
        assert (reply["object"], reply["model"]) == ("text_completion", "public")
        assert reply["id"].startswith("cmpl-")
        assert len(reply["id"]) > 20
        assert reply["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@BOTH_WAYS
async def test_a_text_stream_reads_the_same_over_both_apis(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        usage = {"include_usage": True}
        asked = call(Operation.COMPLETIONS, prompt="Once", stream=True, stream_options=usage)
        chunks, reader = await streamed(backend, backend.prepare(asked, target))
        texts = [c["choices"][0]["text"] for c in chunks[:-1] if c["choices"]]
        assert "".join(texts) == "Hello there."
        assert chunks[-3]["choices"][0]["finish_reason"] == "stop"
        assert chunks[-2]["usage"]["completion_tokens"] == 3
        assert chunks[-1] == "[DONE]"
        assert {chunk["object"] for chunk in chunks[:-1]} == {"text_completion"}
        assert (reader.started, reader.failed) == (True, None)


async def test_a_completion_does_not_load_a_pinned_model_anew() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        for operation, fields in (
            (Operation.CHAT, {}),
            (Operation.COMPLETIONS, {"prompt": "Once"}),
            (Operation.EMBEDDINGS, {"input": "Once"}),
        ):
            await answered(backend, backend.prepare(call(operation, **fields), PINNED))
        assert fake.engine.loads == [("llama3:8b", 8192)]


async def test_the_limit_of_a_completion_goes_by_both_names() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        asked = call(Operation.COMPLETIONS, prompt="Once", max_completion_tokens=2)
        reply = await answered(backend, backend.prepare(asked, TARGET))
        assert reply["usage"]["completion_tokens"] == 2
        assert fake.requests[-1].path == "/v1/completions"


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
@pytest.mark.parametrize("options", [{}, {"keep_alive": -1}], ids=["v1", "native"])
async def test_embeddings_read_the_same_over_both_apis(
    options: dict[str, int], encoding: str | None
) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        target = TargetModel("nomic-embed-text", options)
        asked = call(
            Operation.EMBEDDINGS, input=["a b", "c"], encoding_format=encoding, dimensions=2
        )
        prepared = backend.prepare(asked, target)
        assert prepared.native is bool(options)
        reply = await answered(backend, prepared)
        vector = "AAAAPwAAgL4=" if encoding == "base64" else [0.5, -0.25]
        assert reply["data"] == [
            {"object": "embedding", "index": at, "embedding": vector} for at in (0, 1)
        ]
        assert reply["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
        assert reply["model"] == "public"


async def test_a_large_native_reply_is_translated_in_bulk() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        prepared = backend.prepare(call(Operation.EMBEDDINGS, input=["a"]), PINNED)
        response = await backend.open(prepared, extra=b"", timeouts=WAITING)
        try:
            bulk = backend.bulk(prepared)
            while data := await response.chunk():
                assert bulk.feed(data) == b""
        finally:
            response.close()
        assert len(json.loads(bulk.finish())["data"]) == 1
        assert bulk.usage == Usage(1, 0)


async def test_a_large_reply_of_v1_is_passed_on_as_it_comes() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        prepared = backend.prepare(call(Operation.EMBEDDINGS, input=["a"]), TARGET)
        response = await backend.open(prepared, extra=b"", timeouts=WAITING)
        try:
            bulk = backend.bulk(prepared)
            sent = bulk.feed(await response.read(1 << 20))
        finally:
            response.close()
        assert json.loads(sent + bulk.finish())["model"] == "public"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "without embeddings"),
        (b"[]", "what are no embeddings"),
        (b'{"embeddings":[["x"]]}', "what are no embeddings"),
    ],
)
def test_what_are_no_embeddings_is_refused(body: bytes, words: str) -> None:
    asked = call(Operation.EMBEDDINGS, input="a", encoding_format="base64")
    with pytest.raises(ReplyInvalid, match=words):
        openai_embeddings(body, asked, runner="runner laptop (ollama)")


def test_an_error_under_200_is_no_embedding() -> None:
    asked = call(Operation.EMBEDDINGS, input="a")
    with pytest.raises(RunnerRefused):
        openai_embeddings(b'{"error":"out of memory"}', asked, runner="runner laptop (ollama)")
