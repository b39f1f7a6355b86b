from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import Reply, Usage
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama_native.choice import ChatChoices
from backends.ollama_native.held_reply import HELD_LIMIT_BYTES, HeldReply
from backends.ollama_native.reply import openai_reply
from tests.backends.ollama_lines import ADD, RUNNER, STAMP, end, ndjson


def translated(body: bytes) -> Reply:
    return openai_reply(body, STAMP, ChatChoices(), runner=RUNNER)


def replied(**fields: Any) -> dict[str, Any]:
    reply = translated(ndjson(end(**fields)))
    decoded = json.loads(reply.body)
    assert isinstance(decoded, dict)
    return decoded


def test_a_whole_answer_becomes_a_chat_completion() -> None:
    reply = translated(ndjson(end(content="Hello")))
    assert json.loads(reply.body) == {
        "id": "chatcmpl-1f",
        "object": "chat.completion",
        "created": 1795176000,
        "model": "public",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    assert reply.usage == Usage(11, 3)


def test_thinking_goes_by_both_names() -> None:
    message = replied(content="4", thinking="2 and 2")["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == "2 and 2"


def test_tool_calls_are_the_content() -> None:
    choice = replied(tool_calls=[ADD, ADD])["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    first, second = choice["message"]["tool_calls"]
    assert first["id"] != second["id"]
    assert set(first) == {"id", "type", "function"}
    assert json.loads(first["function"]["arguments"]) == {"a": 1, "b": 2}


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4))
def test_arguments_come_back_as_the_string_of_their_object(arguments: dict[str, Any]) -> None:
    calling = {"function": {"name": "f", "arguments": arguments}}
    (call,) = replied(tool_calls=[calling])["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == arguments


def test_arguments_of_null_are_an_empty_object() -> None:
    calling = {"function": {"name": "f", "arguments": None}}
    (call,) = replied(tool_calls=[calling])["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == "{}"


def test_logprobs_are_kept() -> None:
    logprobs = replied(content="a", logprobs=[{"token": "a", "logprob": -1.0, "bytes": [97]}])
    (entry,) = logprobs["choices"][0]["logprobs"]["content"]
    assert entry == {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty body"),
        (b"{}", "has no message"),
        (b'{"message":{"content":"a"},"done":false}', "is not done"),
        (b"<html>", "no line of a reply"),
        (ndjson(end("load")), "notice of a model load"),
    ],
)
def test_what_is_no_answer_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(ReplyInvalid, match=words):
        translated(body)


def test_an_error_under_200_is_refused() -> None:
    with pytest.raises(RunnerRefused):
        translated(b'{"error":"out of memory"}')


def test_a_large_reply_is_held_and_translated_at_its_end() -> None:
    body = ndjson(end(content="x" * 5000))
    held = HeldReply(translated, runner=RUNNER)
    assert held.feed(body[:100]) == held.feed(body[100:]) == b""
    assert held.finish() == translated(body).body
    assert held.usage == Usage(11, 3)


def test_a_reply_beyond_the_bound_is_given_up() -> None:
    held = HeldReply(translated, runner=RUNNER)
    held.feed(b"x" * HELD_LIMIT_BYTES)
    with pytest.raises(ReplyInvalid, match="ask for a stream"):
        held.feed(b"x")
