"""From settings and probes to routes."""

from __future__ import annotations

from typing import Any

import pytest

from backends.base import ModelCard, Probe, RunnerState
from backends.builtin import MODEL_ID
from gateway.principal import ServiceClass
from gateway.routing.plan import DEMONSTRATION, configured_table, found_table
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import LaunchSettings, ModelSettings, RunnerSettings, WaitSettings
from tests.gateway.routing.runners import a_runner, ready

URL = "http://127.0.0.1:1"


def configured(models: dict[str, dict[str, Any]], *runners: Runner) -> RouteTable:
    settings = {name: ModelSettings.model_validate(model) for name, model in models.items()}
    return configured_table(settings, {runner.name: runner for runner in runners}, WaitSettings())


def found(*runners: Runner, launch: LaunchSettings | None = None) -> RouteTable:
    pairs = (
        (
            runner,
            RunnerSettings(backend=runner.kind, launch=launch)
            if launch
            else RunnerSettings(backend=runner.kind, url=URL),
        )
        for runner in runners
    )
    return found_table(pairs, WaitSettings())


def names(table: RouteTable) -> dict[str, tuple[str, ...]]:
    return {route.model: route.aliases for route in table.routes}


def seen(name: str, kind: Any, *models: str | ModelCard) -> Runner:
    runner = a_runner(name, kind)
    runner.observe(ready(*models))
    return runner


# Configured models


def test_the_chosen_backend_comes_first_and_the_fallbacks_after_it() -> None:
    table = configured(
        {
            "llama3": {
                "backend": "vllm",
                "fallback": ["ollama", "vllm", "ollama"],
                "backends": {
                    "ollama": {"runners": ["laptop"], "model": "llama3:8b"},
                    "llamacpp": {"runners": ["box"], "model": "unused"},
                    "vllm": {"runners": ["gpu-a", "gpu-b"], "model": "meta-llama/Llama-3"},
                },
                "aliases": ["gpt-4o-mini"],
                "policy": "ordered",
                "max_waiting": 7,
                "strict": True,
                "description": "A model.",
                "timeouts": {"queue_s": 5, "first_token_s": 6, "idle_s": 7, "total_s": 8},
            }
        },
        *(a_runner(name) for name in ("laptop", "box", "gpu-a", "gpu-b")),
    )
    route = table.resolve("gpt-4o-mini")
    assert [target.backend for target in route.targets] == ["vllm", "ollama"]
    assert [target.model.name for target in route.targets] == ["meta-llama/Llama-3", "llama3:8b"]
    assert [runner.name for runner in route.targets[0].runners] == ["gpu-a", "gpu-b"]
    assert route.queue.candidates == ("gpu-a", "gpu-b")
    assert (route.queue.model, route.queue.policy) == ("llama3", "ordered")
    assert (route.queue.wait_s, route.queue.max_waiting) == (5, 7)
    timeouts = route.timeouts
    assert (timeouts.first_byte_s, timeouts.idle_s, timeouts.total_s) == (6, 7, 8)
    assert (route.strict, route.description) == (True, "A model.")


def test_options_that_are_not_set_are_not_passed_on() -> None:
    table = configured(
        {
            "m": {
                "backend": "ollama",
                "backends": {
                    "ollama": {"runners": ["a"], "model": "m", "options": {"num_ctx": 4096}}
                },
            }
        },
        a_runner("a", "ollama"),
    )
    assert table.resolve("m").targets[0].model.options == {"num_ctx": 4096}


# Found models


def test_a_runner_offers_its_models_under_their_own_names() -> None:
    runner = seen("r", "llamacpp", ModelCard("one", ("uno", "eins")), "two")
    assert names(found(runner)) == {"one": ("uno", "eins"), "two": ()}


def test_ollamas_latest_may_be_left_out() -> None:
    table = found(seen("r", "ollama", "llama3:latest", "llama3:8b"))
    assert table.resolve("llama3").model == "llama3:latest"
    assert table.resolve("llama3").targets[0].model.name == "llama3:latest"
    assert names(table) == {"llama3:latest": ("llama3",), "llama3:8b": ()}


def test_latest_means_nothing_special_to_other_backends() -> None:
    assert names(found(seen("r", "vllm", "llama3:latest"))) == {"llama3:latest": ()}


@pytest.mark.parametrize("models", [("llama3:latest", "llama3"), ("llama3", "llama3:latest")])
def test_an_alias_never_hides_a_model_of_that_name(models: tuple[str, ...]) -> None:
    table = found(seen("r", "ollama", *models))
    assert table.resolve("llama3").targets[0].model.name == "llama3"
    assert names(table) == {"llama3:latest": (), "llama3": ()}


def test_the_same_model_on_two_runners_of_one_backend_has_both() -> None:
    table = found(seen("a", "vllm", "m"), seen("b", "vllm", "m", "n"))
    route = table.resolve("m")
    assert [runner.name for runner in route.targets[0].runners] == ["a", "b"]
    assert route.queue.candidates == ("a", "b")
    assert [runner.name for runner in table.resolve("n").targets[0].runners] == ["b"]


def test_of_two_backends_with_the_same_model_the_first_keeps_the_name() -> None:
    table = found(seen("a", "ollama", "m"), seen("b", "vllm", "m"), seen("c", "ollama", "m"))
    target = table.resolve("m").targets[0]
    assert target.backend == "ollama"
    assert [runner.name for runner in target.runners] == ["a", "c"]


def test_a_runner_that_cannot_be_asked_is_offered_under_its_own_name() -> None:
    runner = a_runner("box")
    runner.observe(Probe(RunnerState.READY, models=None))
    assert names(found(runner)) == {"box": ()}


def test_a_runner_not_seen_yet_offers_nothing() -> None:
    assert names(found(a_runner("box"))) == {}


def test_a_runner_without_models_offers_nothing() -> None:
    assert names(found(seen("r", "ollama"))) == {}


def test_a_launched_model_is_offered_while_it_still_loads() -> None:
    assert names(found(a_runner(), launch=LaunchSettings(model="builtin"))) == {MODEL_ID: ()}
    named = LaunchSettings(model="/models/a.gguf", model_name="a")
    assert names(found(a_runner(), launch=named)) == {"a": ()}
    assert names(found(a_runner(), launch=LaunchSettings(model="/models/a.gguf"))) == {}
    assert names(found(a_runner(kind="ollama"), launch=LaunchSettings())) == {}


def test_the_demonstration_model_says_that_it_is_one() -> None:
    table = found(seen("r", "llamacpp", MODEL_ID, "other"))
    assert table.resolve(MODEL_ID).description == DEMONSTRATION
    assert table.resolve("other").description is None


def test_found_models_have_the_default_budgets() -> None:
    route = found(seen("r", "vllm", "m")).resolve("m")
    assert route.queue.wait_s == 120
    assert route.waits[ServiceClass.INTERACTIVE] == 60
    assert route.queue.policy == "least_loaded"
    assert not route.strict
