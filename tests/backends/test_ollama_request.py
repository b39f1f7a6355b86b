from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import TargetModel
from backends.errors import RequestUnsupported
from backends.ollama_native.request import native_chat, needs_native
from tests.backends.ollama_calls import JSON, TARGET, call

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


def translated(target: TargetModel = TARGET, /, **fields: Any) -> dict[str, Any]:
    body, _ = native_chat(call(**fields), target)
    decoded = json.loads(body)
    assert isinstance(decoded, dict)
    return decoded


def overridden(target: TargetModel = TARGET, /, **fields: Any) -> list[str]:
    return native_chat(call(**fields), target)[1]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.2, "top_p": 0.9, "seed": 7, "stop": ["x"], "presence_penalty": 1},
        {"tools": TOOLS, "tool_choice": "none"},
        {"reasoning_effort": "low"},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": None, "top_k": None, "options": None},
        {"messages": [{"role": "user", "content": 'say "content":[ and "role":"developer"'}]},
    ],
)
def test_what_v1_can_carry_stays_on_v1(fields: dict[str, Any]) -> None:
    assert not needs_native(call(**fields), TARGET)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 10},
        {"max_completion_tokens": 10},
        {"num_ctx": 8192},
        {"options": {"num_ctx": 8192}},
        {"think": False},
        {"top_k": 40},
        {"min_p": 0.1},
        {"repeat_penalty": 1.1},
        {"repetition_penalty": 1.1},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        {"messages": [{"role": "developer", "content": "be brief"}]},
    ],
)
def test_what_v1_would_lose_goes_native(fields: dict[str, Any]) -> None:
    assert needs_native(call(**fields), TARGET)


@pytest.mark.parametrize("pin", [{"num_ctx": 8192}, {"keep_alive": -1}])
def test_a_pin_of_the_operator_goes_native(pin: dict[str, Any]) -> None:
    assert needs_native(call(), TargetModel("llama3:8b", pin))


def test_the_stream_flag_is_always_said_because_ollama_streams_by_default() -> None:
    assert translated()["stream"] is False
    assert translated(stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"max_tokens": 5}, {"num_predict": 5}),
        ({"max_completion_tokens": 6}, {"num_predict": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"num_predict": 6}),
        ({"options": {"num_predict": 4}, "max_tokens": 5}, {"num_predict": 5}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"seed": 7, "presence_penalty": 0.5}, {"seed": 7, "presence_penalty": 0.5}),
        ({"repetition_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ({"options": {"top_k": 20, "num_ctx": 8192}}, {"top_k": 20, "num_ctx": 8192}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"options": {"penalize_newline": True}}, {"penalize_newline": True}),
        ({"options": {"top_k": None}}, {}),
    ],
)
def test_settings_become_options(fields: dict[str, Any], options: dict[str, Any]) -> None:
    assert translated(**fields)["options"] == {"temperature": 1.0, "top_p": 1.0} | options


def test_a_pinned_context_wins_over_the_callers_and_says_so() -> None:
    pinned = TargetModel("llama3:8b", {"num_ctx": 8192, "keep_alive": "1h"})
    assert translated(pinned, num_ctx=131072)["options"]["num_ctx"] == 8192
    assert overridden(pinned, num_ctx=131072) == ["num_ctx"]
    assert overridden(pinned, options={"num_ctx": 131072}) == ["options.num_ctx"]
    assert overridden(pinned, num_ctx=8192) == []
    assert translated(pinned)["keep_alive"] == "1h"


def test_a_caller_cannot_say_how_long_a_model_stays_loaded() -> None:
    assert "keep_alive" not in translated(keep_alive=-1, max_tokens=5)


def test_what_is_fixed_at_loading_is_not_for_callers() -> None:
    fields = {"options": {"num_gpu": 0, "num_thread": 64, "top_k": 1}}
    assert translated(**fields)["options"] == {"temperature": 1.0, "top_p": 1.0, "top_k": 1}
    assert overridden(**fields) == ["options.num_gpu", "options.num_thread"]


def test_a_null_pin_leaves_a_setting_to_the_modelfile() -> None:
    assert translated(TargetModel("m", {"temperature": None}))["options"] == {"top_p": 1.0}


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "max"),
    ],
)
def test_reasoning_effort_becomes_think(effort: str, think: bool | str) -> None:
    assert translated(reasoning_effort=effort)["think"] == think
    assert translated(reasoning={"effort": effort})["think"] == think


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"temperature": "hot"}, {"temperature": "hot"}),
        ({"options": {"top_k": "x"}}, {"top_k": "x"}),
        ({"stop": [1]}, {"stop": [1]}),
    ],
)
def test_whether_a_value_makes_sense_is_left_to_ollama(
    fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert translated(max_tokens=1, **fields)["options"].items() >= sent.items()
    assert translated(reasoning_effort="extreme")["think"] == "extreme"
    assert translated(think=3)["think"] == 3


def test_think_wins_over_reasoning_effort_and_may_be_absent() -> None:
    assert translated(think=True, reasoning_effort="low")["think"] is True
    assert "think" not in translated(max_tokens=1)
    assert "think" not in translated(reasoning={"summary": "auto"})


def test_a_pinned_think_wins_and_says_so() -> None:
    pinned = TargetModel("m", {"think": False})
    assert translated(pinned, reasoning_effort="high")["think"] is False
    assert overridden(pinned, reasoning_effort="high") == ["reasoning_effort"]
    assert overridden(pinned, think=True) == ["think"]


@pytest.mark.parametrize(
    ("wanted", "native"),
    [
        ({"type": "json_object"}, "json"),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            {"type": "object"},
        ),
    ],
)
def test_a_response_format_becomes_a_format(wanted: dict[str, Any], native: object) -> None:
    assert translated(response_format=wanted)["format"] == native


def test_a_response_format_of_another_kind_is_reported() -> None:
    assert overridden(response_format={"type": "text"}) == []
    assert overridden(response_format={"type": "structural_tag"}) == ["response_format"]


def test_tools_are_dropped_when_none_may_be_called() -> None:
    assert translated(tools=TOOLS)["tools"] == TOOLS
    assert translated(tools=TOOLS, tool_choice="auto")["tools"] == TOOLS
    assert "tools" not in translated(tools=TOOLS, tool_choice="none")


def test_logprobs_are_asked_for() -> None:
    body = translated(logprobs=True, top_logprobs=3)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"messages": []}, "messages", "at least one"),
        ({"messages": "hi"}, "messages", "must be a list"),
        ({"messages": [1]}, "messages[0]", "an object"),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "a string"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "list of parts"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0]",
            "'file'",
        ),
        ({"options": [1]}, "options", "an object"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "schema"),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_name(
    fields: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(RequestUnsupported) as refused:
        native_chat(call(**fields), TARGET)
    assert refused.value.param == param
    assert words in refused.value.message
    assert refused.value.reached is False


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            (
                *("options", "stop", "temperature", "max_tokens", "think", "reasoning"),
                *("reasoning_effort", "response_format", "tools", "logprobs", "top_logprobs"),
            )
        ),
        JSON,
    )
)
def test_any_settings_become_a_body_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        body = translated(**fields)
    except RequestUnsupported:
        pass
    else:
        assert body["model"] == "llama3:8b"
