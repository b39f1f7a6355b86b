"""Results that `sluicegate bench` wrote, and the advice that follows. `record.py` makes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.advise.decide import decide
from gateway.advise.decision import Verdict
from gateway.advise.facts import Wish
from gateway.advise.measured import NothingMeasured, facts_from
from gateway.advise.use import Use
from gateway.bench.result import Verdict as Torn
from gateway.bench.result_file import read_result
from gateway.cli import main

RECORDED = Path(__file__).with_name("recorded")


def advice(name: str, *words: str) -> dict[str, object]:
    done = CliRunner().invoke(main, ["advise", str(RECORDED / f"{name}.json"), "--json", *words])
    assert done.exit_code == 0, done.output
    document: dict[str, object] = json.loads(done.output)
    return document


def test_one_user_on_ollama_stays() -> None:
    said = advice("one_user")
    assert (said["verdict"], said["from_backend"]) == ("stay", "ollama")
    assert said["changes"] == []


def test_ten_users_on_one_slot_queue_and_are_told_how_long() -> None:
    said = advice("ten_users")
    assert (said["verdict"], said["backend"], said["slots"]) == ("gray zone", "llamacpp", 1)
    assert isinstance(said["carries_users"], int)
    assert said["carries_users"] >= 10
    assert isinstance(said["queue_s"], int)
    assert 10 <= said["queue_s"] <= 60


def test_fifty_users_move() -> None:
    said = advice("fifty_users")
    assert (said["verdict"], said["backend"]) == ("move", "vllm")
    assert "backend: vllm" in str(said["yaml"])
    assert said["measure_next"]


def test_what_was_counted_is_what_is_decided_on() -> None:
    facts = facts_from(read_result(RECORDED / "fifty_users.json"), "fifty")
    assert [step.users for step in facts.current.raw] == [1, 10, 50]
    assert facts.current.slots == 1
    assert facts.hardware is not None
    assert Use.TOKEN_LIMIT in facts.uses


def test_the_same_figures_are_enough_for_fewer_users() -> None:
    facts = facts_from(read_result(RECORDED / "fifty_users.json"), "fifty")
    assert decide(facts, Wish(users=10)).verdict is Verdict.GRAY_ZONE


def test_a_step_that_cannot_be_used_is_left_out_but_what_it_asked_for_stands() -> None:
    result = read_result(RECORDED / "fifty_users.json")
    torn = Torn(name="disagree", message="repeats disagree", voids=True)
    steps = (*result.steps[:2], replace(result.steps[2], verdicts=(torn,)))
    facts = facts_from(replace(result, steps=steps), "fifty")
    assert [step.users for step in facts.current.raw] == [1, 10]
    assert facts.doubts == ("1 of 3 steps were left out, the first because repeats disagree",)
    decision = decide(facts, Wish())
    assert decision.users == 50
    assert decision.verdict is Verdict.MOVE
    assert "sluicegate bench --users 50" in decision.measure_next


def test_a_result_without_a_usable_step_is_no_basis() -> None:
    result = read_result(RECORDED / "one_user.json")
    torn = Torn(name="nothing", message="nothing", voids=True)
    void = replace(result.steps[0], verdicts=(torn,))
    with pytest.raises(NothingMeasured, match="no closed-loop step"):
        facts_from(replace(result, steps=(void,)), "one")


def test_a_target_that_is_not_there_is_named_with_those_that_are() -> None:
    result = read_result(RECORDED / "ten_users.json")
    with pytest.raises(
        NothingMeasured, match="holds no target 'other' with figures; it has 'demo'"
    ):
        facts_from(result, "ten", target="other")


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "not a result"), ("{}", "schema 0"), ('{"schema": 1}', "not a result")],
)
def test_a_file_that_is_no_result_ends_with_a_clear_word(
    tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    done = CliRunner().invoke(main, ["advise", str(file)])
    assert done.exit_code == 2
    assert said in done.output


def test_it_wants_a_result_or_a_gateway_and_not_both() -> None:
    assert "either" in CliRunner().invoke(main, ["advise"]).output
    done = CliRunner().invoke(main, ["advise", "x.json", "--live", "http://127.0.0.1:1"])
    assert done.exit_code == 2


def test_an_unreachable_gateway_is_named() -> None:
    done = CliRunner().invoke(main, ["advise", "--live", "http://127.0.0.1:1"])
    assert done.exit_code == 2
    assert "127.0.0.1:1" in done.output
    assert "is a gateway running there?" in done.output


def test_requests_in_a_file_tell_what_they_use_and_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"messages": [], "tools": [{}]}\n\n{"messages": [], "think": true}\n')
    said = advice("fifty_users", "--requests", str(file))
    changes = said["changes"]
    assert isinstance(changes, list)
    assert {"tools", "thinking"} <= {change["area"] for change in changes}
    file.write_text('{"messages": []}\nnonsense\n')
    done = CliRunner().invoke(
        main, ["advise", str(RECORDED / "one_user.json"), "--requests", str(file)]
    )
    assert done.exit_code == 2
    assert "line 2 is not JSON" in done.output
