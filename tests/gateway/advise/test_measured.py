"""Which targets of a result are one engine, and which only have a model's name in common."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.advise.measured import NothingMeasured, facts_from
from gateway.bench.result import Result, Step, TargetFacts
from tests.gateway.bench import made


def step(target: str, users: int) -> Step:
    answers = [made.timeline(user, pieces=5) for user in range(users)]
    return made.step(target, users, made.measured(*answers))


def result(*targets: TargetFacts, users: tuple[int, ...] = (1, 10)) -> Result:
    """Every target was measured with so many people."""
    steps = [step(target.name, each) for each in users for target in targets]
    return made.result(*steps, targets=targets)


def target(name: str, kind: str | None, **fields: Any) -> TargetFacts:
    return made.facts(name, kind=kind, url=f"http://{name.replace(' ', '-')}:1", **fields)


def test_a_runner_and_the_gateway_before_it_are_one_engine() -> None:
    facts = facts_from(result(target("raw", "ollama"), target("gateway", None)), "r.json")
    assert facts.current.name == "llama3"
    assert [each.users for each in facts.current.raw] == [1, 10]
    assert [each.users for each in facts.current.queued] == [1, 10]
    assert facts.others == ()


def test_two_runners_with_one_model_are_two_engines() -> None:
    facts = facts_from(result(target("ollama", "ollama"), target("vllm", "vllm")), "r.json")
    (other,) = facts.others
    for engine, name in ((facts.current, "ollama"), (other, "vllm")):
        assert (engine.name, engine.backend, engine.url) == (name, name, f"http://{name}:1")
        assert [each.users for each in engine.raw] == [1, 10]


def test_the_engine_in_use_is_named_by_its_target_where_the_model_is_on_several() -> None:
    both = result(target("ollama", "ollama"), target("vllm", "vllm"))
    facts = facts_from(both, "r.json", target="vllm")
    assert (facts.current.name, [each.name for each in facts.others]) == ("vllm", ["ollama"])
    with pytest.raises(NothingMeasured, match=r"no target 'llama3' .* it has 'ollama', 'vllm'"):
        facts_from(both, "r.json", target="llama3")


def test_a_gateway_beside_two_runners_belongs_to_neither_and_is_nowhere_to_move_to() -> None:
    three = result(target("ollama", "ollama"), target("vllm", "vllm"), target("gateway", None))
    facts = facts_from(three, "r.json")
    assert [each.name for each in facts.others] == ["vllm"]
    assert not facts.current.queued
    asked = facts_from(three, "r.json", target="gateway")
    assert [each.users for each in asked.current.queued] == [1, 10]
    assert asked.doubts == ("nothing tells which runner gateway stands before",)


def test_one_of_several_runners_is_not_taken_for_the_gateway_before_them_all() -> None:
    shared = result(
        target("demo raw on a", "ollama", runners=("a",)),
        target("demo gateway", "ollama", runners=("a", "b")),
    )
    facts = facts_from(shared, "r.json")
    assert facts.current.name == "demo raw on a"
    assert (facts.current.queued, facts.others) == ((), ())
    asked = facts_from(shared, "r.json", target="demo gateway")
    assert not asked.current.raw
    assert [each.name for each in asked.others] == ["demo raw on a"]
    assert any(doubt.startswith("a, b shared the requests") for doubt in asked.doubts)


def test_a_configured_runner_and_its_gateway_are_one_engine() -> None:
    alone = result(
        target("demo raw", "ollama", runners=("a",)),
        target("demo gateway", "ollama", runners=("a",)),
    )
    facts = facts_from(alone, "r.json")
    assert facts.current.raw
    assert facts.current.queued
