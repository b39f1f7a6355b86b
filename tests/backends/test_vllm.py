from __future__ import annotations

import pytest

from backends.errors import RequestUnsupported
from tests.backends.adapters import MESSAGES, sent

TOOL = {"type": "function", "function": {"name": "f"}}


def test_stream_options_of_what_is_no_stream_are_taken_out() -> None:
    assert sent("vllm", stream_options={"include_usage": True}) == {"model": "tiny"}


@pytest.mark.parametrize("choice", ["auto", "none", None])
@pytest.mark.parametrize("tools", [[], None])
def test_no_tools_are_not_sent_as_an_empty_list(tools: list[None] | None, choice: str) -> None:
    assert sent("vllm", messages=MESSAGES, tools=tools, tool_choice=choice) == {
        "model": "tiny",
        "messages": MESSAGES,
    }


def test_tools_and_a_demand_for_one_stay() -> None:
    given = {"tools": [TOOL], "tool_choice": "auto"}
    assert sent("vllm", **given) == {"model": "tiny"} | given
    assert sent("vllm", tools=[], tool_choice="required")["tool_choice"] == "required"


@pytest.mark.parametrize("stop", ["a", ["a"], list("abcd"), None])
def test_up_to_four_stop_sequences_are_passed_on(stop: object) -> None:
    assert sent("vllm", stop=stop)["stop"] == stop


def test_more_stop_sequences_than_vllm_takes_are_told_before_it_is_asked() -> None:
    with pytest.raises(RequestUnsupported, match="at most 4 stop") as raised:
        sent("vllm", stop=list("abcde"))
    assert raised.value.param == "stop"
    assert not raised.value.reached
