from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gateway.advise.decide import decide
from gateway.advise.decision import Decision
from gateway.advise.facts import Facts, Wish
from gateway.advise.telling import number, seconds
from gateway.advise.use import Use
from gateway.advise.words import as_json, as_text
from gateway.advise.yaml_lines import scalar, yaml_lines
from gateway.settings import load
from tests.gateway.advise.made import GPU_BOX, engine, facts

ALL_USES = frozenset(Use)
CASES = {
    "stay": facts(engine(users=(1,))),
    "gray": facts(engine(users=(1, 5, 10))),
    "move": facts(engine(users=(1, 10, 50)), hardware=GPU_BOX, uses=ALL_USES),
    "elsewhere": facts(engine(users=(1, 50)), hardware=None),
    "second": facts(engine("vllm", (1, 10, 100), slots=4, told=True)),
}


@pytest.mark.parametrize("known", CASES.values(), ids=CASES)
def test_the_lines_are_a_configuration_that_the_gateway_takes(known: Facts, tmp_path: Path) -> None:
    decision = decide(known, Wish())
    file = tmp_path / "gateway.yaml"
    file.write_text("\n".join(yaml_lines(decision)) + "\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "dev.yaml").write_text("{}\n")
    settings = load({}, cwd=tmp_path, base=file).settings
    plan = decision.plan
    assert plan is not None
    model = settings.models[plan.model]
    assert model.backend == plan.backend
    assert model.backends[plan.backend].model == plan.upstream_model
    assert settings.runners[plan.runner].slots == plan.slots


def test_a_runner_of_a_running_gateway_keeps_its_address() -> None:
    known = facts(replace(engine(), url=None, runner="laptop"))
    document = yaml.safe_load("\n".join(yaml_lines(decide(known, Wish()))))
    assert document["runners"] == {"laptop": {"slots": 1}}
    assert "backends" not in document["models"]["llama3"]


@pytest.mark.parametrize("known", CASES.values(), ids=CASES)
def test_the_text_and_the_json_say_the_same_and_hold_no_nan(known: Facts) -> None:
    decision: Decision = decide(known, Wish())
    text = as_text(decision, known, Wish())
    document = json.loads(json.dumps(as_json(decision, known, Wish()), allow_nan=False))
    assert document["headline"] in text
    for figure in document["figures"]:
        assert figure in text
    for change in document["changes"]:
        assert change["text"] in text
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize(
    "text",
    [
        "llama3:8b",
        "true",
        "No",
        "1.5",
        "a b",
        'quo"te',
        "{x}",
        "# no",
        "- a",
        "",
        "Ünïcode",
        "a\nb",
    ],
)
def test_any_name_survives_as_a_scalar(text: str) -> None:
    assert yaml.safe_load(f"x: {scalar(text)}") == {"x": text}
    assert yaml.safe_load(f"{{x: {scalar(text)}}}") == {"x": text}


def test_numbers_are_said_as_people_say_them() -> None:
    assert [number(1, "person"), number(2, "person"), number(1, "slot")] == [
        "1 person",
        "2 people",
        "1 slot",
    ]
    assert [seconds(0.0123), seconds(1.25), seconds(59.6), seconds(600)] == [
        "12 ms",
        "1.2 s",
        "60 s",
        "10 min",
    ]
