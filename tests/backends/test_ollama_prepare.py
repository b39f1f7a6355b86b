from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from backends.base import Call, Operation, TargetModel
from backends.errors import RequestUnsupported
from backends.ollama import OllamaBackend
from backends.transport import Transport
from tests.backends.ollama_calls import TARGET, call
from tests.backends.ollama_driver import BOTH_WAYS, PINNED, TOOLS
from tests.backends.ollama_lines import events


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({}, ()),
        ({"n": 1, "logit_bias": {}, "parallel_tool_calls": True, "tool_choice": "auto"}, ()),
        ({"user": "u", "metadata": {}, "store": True, "seed": None}, ()),
        ({"n": 2, "logit_bias": {"1": 5}}, ("logit_bias", "n")),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            ("parallel_tool_calls", "tool_choice"),
        ),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ("tool_choice",)),
    ],
)
@BOTH_WAYS
def test_what_ollama_does_nothing_with_is_reported(
    target: TargetModel, fields: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    assert backend.prepare(call(**fields), target).ignored == ignored


def test_a_field_that_is_lost_in_translation_is_reported_and_on_v1_it_survives() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    asked = call(brand_new=1, num_ctx=5)
    assert backend.prepare(asked, PINNED).ignored == ("brand_new", "num_ctx")
    survived = backend.prepare(call(brand_new=1), TARGET)
    assert json.loads(survived.body)["brand_new"] == 1
    assert survived.ignored == ()


@BOTH_WAYS
def test_preparing_leaves_the_call_as_it_was(target: TargetModel) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    asked = call(tools=TOOLS, tool_choice="none", keep_alive=-1, stream=True)
    before = dict(asked.fields)
    prepared = backend.prepare(asked, target)
    assert asked.fields == before
    assert "keep_alive" not in json.loads(prepared.body) or target is PINNED
    assert prepared.call is asked


def test_a_url_that_ends_with_v1_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="leave /v1 out"):
        OllamaBackend(Transport("http://127.0.0.1:11434/v1"), name="laptop")


@BOTH_WAYS
@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (call(Operation.COMPLETIONS, prompt=["a", "b"]), "prompt"),
        (call(Operation.COMPLETIONS, prompt=[1, 2]), "prompt"),
        (call(Operation.EMBEDDINGS, input=[1, 2]), "input"),
        (call(Operation.EMBEDDINGS, input=[[1], [2]]), "input"),
    ],
)
def test_what_only_other_runners_take_is_refused_before_it_is_sent(
    target: TargetModel, asked: Call, param: str
) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    with pytest.raises(RequestUnsupported) as refused:
        backend.prepare(asked, target)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (call(Operation.COMPLETIONS, prompt=""), "prompt"),
        (call(Operation.COMPLETIONS), "prompt"),
        (call(Operation.EMBEDDINGS), "input"),
        (call(Operation.EMBEDDINGS, input="a", encoding_format="hex"), "encoding_format"),
    ],
)
def test_what_would_be_no_request_for_an_answer_is_refused(asked: Call, param: str) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    with pytest.raises(RequestUnsupported) as refused:
        backend.prepare(asked, PINNED)
    assert refused.value.param == param


@pytest.mark.parametrize("fields", [{"top_k": 5}, {"options": {"num_ctx": 9}}, {"min_p": 0.1}])
def test_a_completion_with_settings_that_only_ollama_has_goes_native(
    fields: dict[str, Any],
) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    prepared = backend.prepare(call(Operation.COMPLETIONS, prompt="a", **fields), TARGET)
    assert prepared.native
    assert prepared.head.startswith(b"POST /api/generate ")
    assert prepared.ignored == ()


def test_a_key_goes_out_over_both_apis() -> None:
    transport = Transport("http://127.0.0.1:1")
    backend = OllamaBackend(transport, name="laptop", api_key="k", headers={"x-site": "a"})
    for target in (TARGET, PINNED):
        head = backend.prepare(call(), target).head
        assert b"authorization: Bearer k\r\n" in head
        assert b"x-site: a\r\n" in head


def test_nesting_without_end_is_refused_and_never_a_crash() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    outcomes = set()
    for depth in range(900, 1000):
        nested = Raw(b'{"a":' * depth + b"1" + b"}" * depth)
        wanted = Raw(b'{"type":"json_schema","json_schema":{"schema":' + bytes(nested) + b"}}")
        fields = call(max_tokens=1).fields | {"response_format": wanted}
        try:
            backend.prepare(Call(Operation.CHAT, "public", fields), TARGET)
        except RequestUnsupported:
            outcomes.add("refused")
        else:
            outcomes.add("sent")
    assert outcomes <= {"refused", "sent"}
    assert "refused" in outcomes


def test_a_field_that_is_no_text_is_refused_by_name() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    fields = call(max_tokens=1).fields | {"messages": Raw(b'[{"role":"user","content":"\xff"}]')}
    with pytest.raises(RequestUnsupported, match="cannot be read") as refused:
        backend.prepare(Call(Operation.CHAT, "public", fields), TARGET)
    assert refused.value.param == "messages"


def test_a_native_request_without_messages_is_refused() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    with pytest.raises(RequestUnsupported, match="missing"):
        backend.prepare(call(messages=None), PINNED)


def test_a_suffix_is_kept() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    asked = call(Operation.COMPLETIONS, prompt="def f():", suffix="return 1")
    for target in (TARGET, PINNED):
        assert json.loads(backend.prepare(asked, target).body)["suffix"] == "return 1"


@pytest.mark.parametrize("repeated", [True, False])
def test_only_ids_that_may_repeat_are_exchanged(repeated: bool) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    given = "chatcmpl-12" if repeated else "chatcmpl-0f3a9c"
    chunk: dict[str, Any] = {"id": given, "object": "chat.completion.chunk", "model": "llama3:8b"}
    chunk["choices"] = [{"index": 0, "delta": {"content": '"id":"chatcmpl-7"'}}]
    reader = backend.stream(backend.prepare(call(stream=True), TARGET))
    sent = reader.feed(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
    (seen,) = events(sent)
    assert (seen["id"] == given) is not repeated
    assert seen["choices"][0]["delta"]["content"] == '"id":"chatcmpl-7"'
