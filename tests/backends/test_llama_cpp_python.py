from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from backends.base import BackendKind, Operation, Prepared, TargetModel, Usage
from backends.errors import RequestUnsupported, RunnerRefused
from tests.backends.adapters import MESSAGES, adapter, prepare, sent
from tests.fakes.recording import make_call, recordings

KIND: BackendKind = "llama-cpp-python"
SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}}


def test_the_newer_name_of_the_token_limit_is_translated() -> None:
    assert sent(KIND, max_completion_tokens=4) == {"model": "tiny", "max_tokens": 4}
    assert sent(KIND, max_completion_tokens=4, max_tokens=9)["max_tokens"] == 4
    assert sent(KIND, max_completion_tokens=None, max_tokens=9)["max_tokens"] == 9


def test_a_json_schema_goes_where_it_is_understood() -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}
    assert sent(KIND, response_format=asked)["response_format"] == {
        "type": "json_object",
        "schema": SCHEMA,
    }
    bare = {"type": "json_schema", "json_schema": {"name": "x"}}
    assert sent(KIND, response_format=bare)["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("given", [{"type": "text"}, {"type": "json_schema"}, "json", 7])
def test_other_response_formats_stay(given: object) -> None:
    assert sent(KIND, response_format=given)["response_format"] == given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"role": "developer", "content": "x"}, {"role": "system", "content": "x"}),
        (
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "user", "content": "a\nb"},
        ),
        ({"role": "user", "content": []}, {"role": "user", "content": ""}),
        ({"role": "user", "content": None, "name": None}, {"role": "user", "content": None}),
        (
            {"role": "assistant", "content": None, "refusal": None, "tool_calls": [{"id": "a"}]},
            {"role": "assistant", "tool_calls": [{"id": "a"}]},
        ),
    ],
)
def test_messages_are_put_into_its_types(given: Any, expected: Any) -> None:
    assert sent(KIND, messages=[given])["messages"] == [expected]


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_what_is_not_text_is_refused_before_it_becomes_garbage(kind: str) -> None:
    with pytest.raises(RequestUnsupported, match=kind) as raised:
        sent(KIND, messages=[{"role": "user", "content": [{"type": kind, kind: {}}]}])
    assert raised.value.param == "messages"


@pytest.mark.parametrize("messages", ["text", [7], {}])
def test_messages_that_are_none_are_left_for_the_runner_to_refuse(messages: object) -> None:
    assert sent(KIND, messages=messages)["messages"] == messages


def test_nulls_are_left_out() -> None:
    assert sent(KIND, temperature=None, stop=None, seed=7) == {"model": "tiny", "seed": 7}


def test_a_stream_is_not_asked_for_usage_it_never_sends() -> None:
    assert "stream_options" not in sent(KIND, messages=MESSAGES, stream=True)


def test_what_it_ignores_is_told() -> None:
    asked = prepare(KIND, n=2, reasoning_effort="low", parallel_tool_calls=False, seed=1)
    assert asked.ignored == ("n", "parallel_tool_calls", "reasoning_effort")
    assert prepare(KIND, Operation.COMPLETIONS, prompt="x", best_of=2).ignored == ("best_of",)


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1]]])
def test_prompts_it_cannot_take_are_refused(prompt: list[Any]) -> None:
    with pytest.raises(RequestUnsupported, match="one prompt") as raised:
        sent(KIND, Operation.COMPLETIONS, prompt=prompt)
    assert raised.value.param == "prompt"


@pytest.mark.parametrize("prompt", ["a", ["a"], [], ""])
def test_one_prompt_is_passed_on(prompt: object) -> None:
    assert sent(KIND, Operation.COMPLETIONS, prompt=prompt)["prompt"] == prompt


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]]])
def test_token_ids_are_not_embedded(given: list[Any]) -> None:
    with pytest.raises(RequestUnsupported, match="text only") as raised:
        sent(KIND, Operation.EMBEDDINGS, input=given)
    assert raised.value.param == "input"


def embeddings(case: str, **fields: Any) -> Any:
    call = make_call(Operation.EMBEDDINGS, {"input": "a"} | fields)
    prepared = Prepared(call, TargetModel("tiny"), b"", b"")
    return json.loads(adapter(KIND).read_reply(prepared, recordings(KIND)[case].answer).body)


def test_vectors_come_in_base64_when_that_was_asked_for() -> None:
    (plain,) = embeddings("embeddings_served")["data"]
    (packed,) = embeddings("embeddings_served", encoding_format="base64")["data"]
    data = base64.b64decode(packed["embedding"])
    unpacked = struct.unpack(f"<{len(data) // 4}f", data)
    assert unpacked == pytest.approx(plain["embedding"], rel=1e-6)
    assert len(unpacked) == 64


def test_a_large_reply_is_packed_as_well() -> None:
    call = make_call(Operation.EMBEDDINGS, {"input": "a", "encoding_format": "base64"})
    reader = adapter(KIND).bulk(Prepared(call, TargetModel("tiny"), b"", b""))
    assert reader.feed(recordings(KIND)["embeddings_served"].answer) == b""
    assert isinstance(json.loads(reader.finish())["data"][0]["embedding"], str)
    assert reader.usage == Usage(1, 0)


def test_a_vector_for_each_token_is_no_embedding() -> None:
    with pytest.raises(RunnerRefused, match="no pooling") as raised:
        embeddings("embeddings_per_token")
    assert raised.value.status == 502
