from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import RequestUnsupported
from backends.ollama_native.message import native_messages
from backends.ollama_native.request import native_chat
from tests.backends.ollama_calls import JSON, TARGET, call

IMAGE = "data:image/png;base64,aGVsbG8="


def messages(*given: dict[str, Any]) -> list[dict[str, Any]]:
    body, _ = native_chat(call(messages=list(given)), TARGET)
    decoded = json.loads(body)["messages"]
    assert isinstance(decoded, list)
    return decoded


def test_parts_become_one_message_with_the_images_beside_the_text() -> None:
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
        {"type": "text", "text": "this?"},
        {"type": "image_url", "image_url": "data:;base64,d29ybGQ="},
        {"type": "input_audio", "input_audio": {"data": "c291bmQ=", "format": "wav"}},
    ]
    assert messages({"role": "user", "content": parts}) == [
        {
            "role": "user",
            "content": "What is\nthis?",
            "images": ["aGVsbG8=", "d29ybGQ=", "c291bmQ="],
        }
    ]


def test_roles_that_templates_do_not_know_are_mapped() -> None:
    assert [
        message["role"]
        for message in messages(
            {"role": "developer", "content": "a"},
            {"role": "System", "content": "b"},
            {"role": "function", "name": "add", "content": "3"},
        )
    ] == ["system", "system", "tool"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_goes_back_as_thinking(name: str) -> None:
    (message,) = messages({"role": "assistant", "content": "4", name: "2 and 2"})
    assert message == {"role": "assistant", "content": "4", "thinking": "2 and 2"}


def test_a_tool_conversation_is_translated_both_ways_round() -> None:
    calling = {"id": "call_0", "type": "function", "function": {"name": "add"}}
    first = calling | {"function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    again = calling | {"function": {"name": "multiply", "arguments": ""}}
    assert messages(
        {"role": "assistant", "content": None, "tool_calls": [first]},
        {"role": "tool", "tool_call_id": "call_0", "content": "3"},
        {"role": "assistant", "tool_calls": [again]},
        {"role": "tool", "tool_call_id": "call_0", "content": [{"type": "text", "text": "6"}]},
        {"role": "tool", "tool_call_id": "gone", "content": "?"},
    ) == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_0", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
            ],
        },
        {"role": "tool", "content": "3", "tool_call_id": "call_0", "tool_name": "add"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_0", "function": {"name": "multiply", "arguments": {}}}],
        },
        {"role": "tool", "content": "6", "tool_call_id": "call_0", "tool_name": "multiply"},
        {"role": "tool", "content": "?", "tool_call_id": "gone"},
    ]


def test_the_legacy_function_call_is_a_tool_call() -> None:
    (message,) = messages(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    )
    assert message["tool_calls"] == [{"function": {"name": "f", "arguments": {}}}]


@pytest.mark.parametrize("url", ["https://example.com/cat.png", "http://cat", "file:///etc/passwd"])
def test_an_image_by_address_is_refused_with_the_remedy(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(RequestUnsupported, match="data:image/png;base64") as refused:
        native_chat(call(messages=[{"role": "user", "content": [image]}]), TARGET)
    assert refused.value.param == "messages[0].content[0].image_url"


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '"text"', 5])
def test_tool_arguments_that_are_no_object_are_refused(arguments: object) -> None:
    calling = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(RequestUnsupported) as refused:
        native_chat(call(messages=[{"role": "assistant", "tool_calls": [calling]}]), TARGET)
    assert refused.value.param == "messages[0].tool_calls[0].function.arguments"


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=5), st.integers(0, 3))
def test_tool_arguments_arrive_as_the_object_the_string_held(
    arguments: dict[str, Any], indent: int
) -> None:
    text = json.dumps(arguments, indent=indent or None)
    calling = {"id": "c", "function": {"name": "f", "arguments": text}}
    (message,) = messages({"role": "assistant", "tool_calls": [calling]})
    assert message["tool_calls"][0]["function"]["arguments"] == arguments


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | JSON},
    optional={
        "content": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image_url", "input_audio", "refusal"])},
                optional={
                    "text": JSON,
                    "image_url": JSON | st.just({"url": IMAGE}),
                    "input_audio": JSON,
                    "refusal": JSON,
                },
            ),
            max_size=3,
        ),
        "tool_calls": JSON
        | st.lists(
            st.fixed_dictionaries(
                {}, optional={"id": JSON, "function": JSON | st.just({"name": "f"})}
            ),
            max_size=2,
        ),
        "tool_call_id": JSON,
        "name": JSON,
        "reasoning": JSON,
        "function_call": JSON,
    },
)


@settings(deadline=None)
@given(st.lists(MESSAGE | JSON, max_size=4) | JSON)
def test_any_messages_become_a_body_or_a_refusal(given: Any) -> None:
    try:
        native = native_messages(given)
    except RequestUnsupported:
        pass
    else:
        assert len(native) == len(given)
        assert all(isinstance(message["content"], str) for message in native)


def test_bare_strings_among_the_parts_and_refusals_are_text() -> None:
    parts = ["a", {"type": "refusal", "refusal": "no"}]
    assert messages({"role": "assistant", "content": parts})[0]["content"] == "a\nno"


def test_arguments_that_are_an_object_already_stay_one() -> None:
    calling = {"function": {"name": "f", "arguments": {"a": 1}}}
    (message,) = messages({"role": "assistant", "tool_calls": [calling]})
    assert message["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_a_document_is_no_image() -> None:
    part = {"type": "image_url", "image_url": "data:application/pdf;base64,AAAA"}
    with pytest.raises(RequestUnsupported, match="application/pdf, not an image"):
        messages({"role": "user", "content": [part]})


def test_a_tool_that_names_itself_needs_no_call_to_be_found() -> None:
    (message,) = messages({"role": "tool", "name": "add", "tool_call_id": "x", "content": "3"})
    assert message["tool_name"] == "add"
