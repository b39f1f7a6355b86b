from __future__ import annotations

import json
from typing import Any

import pytest

from backends.base import Operation, Prepared, Reply, TargetModel, Usage
from backends.errors import ReplyInvalid, RunnerRefused
from backends.reply import count_every_choice, read_reply
from tests.backends.openai_replies import RUNNER, prepared
from tests.fakes.recording import RUNNERS, Recording, recordings

REPLIES = [
    pytest.param(recording, id=f"{kind}-{recording.case}")
    for kind in RUNNERS
    for recording in recordings(kind).values()
    if recording.status == 200
    and recording.path.startswith("/v1/")
    and recording.method == "POST"
    and not recording.streamed
]


def read(body: bytes | dict[str, Any], operation: Operation = Operation.CHAT) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(prepared(operation), raw, runner=RUNNER)


def reply(
    message: dict[str, Any] | None = None, finish: str = "stop", **more: Any
) -> dict[str, Any]:
    choice = {"index": 0, "message": message or {"content": "hi"}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "chatcmpl-1", "model": "tiny", "choices": [choice], "usage": usage} | more


@pytest.mark.parametrize("recording", REPLIES)
def test_a_recorded_reply_changes_in_nothing_but_the_model_name(recording: Recording) -> None:
    call = Prepared(recording.call(), TargetModel("tiny"), b"", b"")
    got = read_reply(call, recording.answer, runner=RUNNER)
    expected = json.loads(recording.answer) | {"model": "public"}
    assert json.loads(got.body) == expected
    assert got.usage is not None
    assert got.usage.prompt_tokens == expected["usage"]["prompt_tokens"]


def test_a_reply_that_needs_no_mending_keeps_its_bytes() -> None:
    body = b'{"model": "tiny","choices":[{"finish_reason":"stop","x":1.10}],"usage":{} }'
    assert read(body).body == body.replace(b'"model": "tiny"', b'"model":"public"')


def test_a_model_name_in_the_text_is_left_alone() -> None:
    body = json.dumps(reply({"content": '"model":"tiny"'}), separators=(",", ":")).encode()
    told = json.loads(read(body).body)
    assert told["choices"][0]["message"]["content"] == '"model":"tiny"'
    assert told["model"] == "public"


@pytest.mark.parametrize("told", ["tiny/ü", 'a"b', None])
def test_any_model_name_is_replaced(told: str | None) -> None:
    assert json.loads(read(reply(model=told)).body)["model"] == "public"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_text_goes_by_both_names(name: str) -> None:
    message = json.loads(read(reply({"content": "hi", name: "hm"})).body)["choices"][0]["message"]
    assert message == {"content": "hi", "reasoning": "hm", "reasoning_content": "hm"}


def test_finish_reasons_are_those_of_openai() -> None:
    told = json.loads(read(reply(finish="eos_token")).body)
    assert told["choices"][0]["finish_reason"] == "stop"


def test_usage_tells_what_was_cached() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    assert read(reply(usage=usage)).usage == Usage(9, 1, 8)
    assert read(reply(usage=None)).usage is None
    assert read(reply(usage={"prompt_tokens": "many"})).usage == Usage(0, 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty body"),
        (b" \n", "empty body"),
        (b"<html></html>", "HTML"),
        (b"proxy error", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "a JSON list"),
        (b"{}", "an empty object"),
        (b'{"choices":[]}', "an object with choices"),
        (b'{"status":"ok"}', "an object with status"),
        (b'{"choices":[7]}', "not an object"),
        (b'{"model":"tiny","usage":{},"choices":[{"finish_reason":"abort"}]}', "'abort'"),
    ],
)
def test_what_is_no_reply_says_what_it_is_instead(body: bytes, message: str) -> None:
    with pytest.raises(ReplyInvalid, match=message) as raised:
        read(body)
    assert RUNNER in str(raised.value)


@pytest.mark.parametrize("beside", [{}, {"choices": [{"finish_reason": "stop"}], "usage": {}}])
def test_an_error_inside_a_200_is_an_error(beside: dict[str, Any]) -> None:
    with pytest.raises(RunnerRefused, match="out of memory") as raised:
        read({"model": "tiny", "error": {"message": "out of memory", "code": 503}} | beside)
    assert (raised.value.status, raised.value.retryable) == (503, True)


def test_usage_of_one_choice_is_scaled_to_all() -> None:
    one = read(reply())
    all_three = count_every_choice(one, 3)
    assert all_three.usage == Usage(3, 6, estimated=True)
    assert json.loads(all_three.body)["usage"]["total_tokens"] == 9
    assert count_every_choice(one, 1) is one
