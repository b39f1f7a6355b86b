"""What counts as text, as an end and as a fault, in each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bench.dialects import DIALECTS
from gateway.bench.prompts import Prompt, user_prompt
from gateway.bench.result import DialectName

CHAT = [
    {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"choices": [{"delta": {"content": "a"}}], "usage": None},
    {"choices": [{"delta": {"reasoning": "b"}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
]
COMPLETION = [
    {"choices": [{"text": "a", "finish_reason": None}]},
    {"choices": [{"text": "b"}]},
    {"choices": [{"text": "c", "finish_reason": "length"}]},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
]
ANTHROPIC = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "ping"},
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "b"}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]
OLLAMA = [
    {"message": {"role": "assistant", "content": "a"}, "done": False},
    {"message": {"content": "", "thinking": "b"}, "done": False},
    {"message": {"content": "c"}, "done": False},
    {"message": {"content": ""}, "done": True, "prompt_eval_count": 7, "eval_count": 5},
]


def events(values: list[dict[str, Any]], *, done: bool = False, line: str = "\n") -> bytes:
    text = "".join(f"data: {json.dumps(value)}{line}{line}" for value in values)
    return (text + (f"data: [DONE]{line}{line}" if done else "")).encode()


def lines(values: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


WHOLE: list[tuple[DialectName, bytes]] = [
    ("openai-chat", events(CHAT, done=True)),
    ("openai-chat", b": waiting\n\n" + events(CHAT, done=True, line="\r\n")),
    ("openai-completions", events(COMPLETION, done=True)),
    ("anthropic", events(ANTHROPIC)),
    ("ollama", lines(OLLAMA)),
]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(("name", "stream"), WHOLE)
def test_a_whole_stream_is_counted_however_it_is_cut_up(
    name: DialectName, stream: bytes, size: int
) -> None:
    reader = DIALECTS[name].reader()
    pieces = sum(reader.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert pieces == 3
    assert (reader.finished, reader.ended, reader.fault) == (True, True, None)
    assert (reader.input_tokens, reader.output_tokens) == (7, 5)


@pytest.mark.parametrize(
    ("name", "stream", "finished", "ended"),
    [
        ("openai-chat", events(CHAT[:3]), False, False),
        ("openai-chat", events(CHAT), True, False),
        ("openai-chat", events(CHAT[:3], done=True), False, True),
        ("anthropic", events(ANTHROPIC[:-1]), True, False),
        ("anthropic", events([*ANTHROPIC[:6], ANTHROPIC[-1]]), False, True),
        ("ollama", lines(OLLAMA[:-1]), False, False),
        ("ollama", lines(OLLAMA)[:-20], False, False),
    ],
)
def test_a_stream_that_lacks_its_end_is_told_from_a_whole_one(
    name: DialectName, stream: bytes, finished: bool, ended: bool
) -> None:
    reader = DIALECTS[name].reader()
    reader.feed(stream)
    assert (reader.finished, reader.ended, reader.fault) == (finished, ended, None)


@pytest.mark.parametrize(
    ("name", "stream", "fault"),
    [
        ("openai-chat", b'data: {"error":{"message":"gone"}}\n\n', "error in stream"),
        ("openai-chat", b'data: {"error":"gone"}\n\n', "error in stream"),
        ("openai-chat", b"data: nonsense\n\n", "not an answer"),
        ("openai-chat", b'data: {"choices":7}\n\n', "not an answer"),
        ("anthropic", b'event: error\ndata: {"type":"error","error":{}}\n\n', "error in stream"),
        ("ollama", b'{"error":"model not found"}\n', "error in stream"),
        ("ollama", b"<html>\n", "not an answer"),
        ("ollama", b"\xff\xfe\n", "not an answer"),
    ],
)
def test_what_is_no_answer_is_a_fault(name: DialectName, stream: bytes, fault: str) -> None:
    reader = DIALECTS[name].reader()
    reader.feed(stream)
    assert reader.fault == fault
    assert reader.feed(events(CHAT)) == 0


def test_an_endless_event_is_given_up() -> None:
    reader = DIALECTS["openai-chat"].reader()
    for _ in range(6):
        reader.feed(b"x" * (1 << 20))
    assert reader.fault == "not an answer"


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_asks_for_a_stream_of_so_many_tokens(name: DialectName) -> None:
    body = DIALECTS[name].body("llama3", user_prompt("hello", 33), exact_for=None)
    assert (body["model"], body["stream"]) == ("llama3", True)
    assert "33" in json.dumps(body)
    assert "hello" in json.dumps(body)
    assert "ignore_eos" not in json.dumps(body)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("vllm", {"ignore_eos": True, "min_tokens": 33}),
        ("llamacpp", {"ignore_eos": True}),
        ("llama-cpp-python", {}),
        ("ollama", {}),
    ],
)
def test_only_a_runner_that_knows_how_is_told_to_write_on(
    kind: str, fields: dict[str, Any]
) -> None:
    body = DIALECTS["openai-chat"].body("llama3", user_prompt("hello", 33), exact_for=kind)
    assert {k: v for k, v in body.items() if k in ("ignore_eos", "min_tokens")} == fields


def test_anthropic_has_its_system_prompt_outside_the_messages() -> None:
    messages = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"})
    body = DIALECTS["anthropic"].body("claude", Prompt(messages, 9), exact_for=None)
    assert body["system"] == "be brief"
    assert body["messages"] == [messages[1]]


def test_a_key_goes_where_each_api_looks_for_it() -> None:
    assert ("authorization", "Bearer k") in DIALECTS["openai-chat"].headers("k")
    assert ("x-api-key", "k") in DIALECTS["anthropic"].headers("k")
    for dialect in DIALECTS.values():
        assert "authorization" not in dict(dialect.headers(None))
