"""Model names, known and unknown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import TargetModel
from backends.transport import Timeouts
from gateway.admission import Ticket
from gateway.errors import ModelNotFound
from gateway.routing.table import Route, RouteTable, Target
from tests.gateway.routing.runners import a_runner


def a_route(model: str, *aliases: str) -> Route:
    target = Target("llamacpp", (a_runner(),), TargetModel(model))
    return Route(
        model=model,
        targets=(target,),
        queue=Ticket(model, ("r",), 60.0, 256),
        timeouts=Timeouts(),
        plain_timeouts=Timeouts(),
        aliases=aliases,
    )


TABLE = RouteTable(
    [
        a_route("llama3", "gpt-4o-mini", "meta-llama/Llama-3.1-8B-Instruct"),
        a_route("qwen2.5-coder:7b"),
        a_route("mistral"),
    ]
)


def unknown(table: RouteTable, name: str) -> str:
    with pytest.raises(ModelNotFound) as caught:
        table.resolve(name)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    return error.message


@pytest.mark.parametrize("name", ["llama3", "gpt-4o-mini", "meta-llama/Llama-3.1-8B-Instruct"])
def test_a_model_is_found_by_its_name_and_by_every_alias(name: str) -> None:
    assert TABLE.resolve(name).model == "llama3"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("lama3", "llama3"),
        ("llama-3", "llama3"),
        ("LLAMA3", "llama3"),
        ("gpt-4o", "gpt-4o-mini"),
        ("meta-llama/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("qwen2.5-coder", "qwen2.5-coder:7b"),
        ("Mistral ", "mistral"),
    ],
)
def test_a_near_miss_names_what_was_meant(asked: str, meant: str) -> None:
    message = unknown(TABLE, asked)
    assert message.startswith(f"The model '{asked}' does not exist. Did you mean '{meant}'")


def test_a_far_miss_lists_what_is_known() -> None:
    assert unknown(TABLE, "zzz") == (
        "The model 'zzz' does not exist. Known: 'llama3', 'qwen2.5-coder:7b', 'mistral'; "
        "GET /v1/models lists all."
    )


def test_of_many_models_only_some_are_listed() -> None:
    message = unknown(RouteTable(a_route(f"{n:03}") for n in range(100)), "zzz")
    assert "'004'" in message
    assert "'005'" not in message


def test_an_empty_table_says_how_to_find_out_why() -> None:
    assert "sluicegate check --live" in unknown(RouteTable(), "llama3")


def test_a_long_name_is_cut_in_the_message() -> None:
    message = unknown(TABLE, "x" * 512)
    assert "x" * 100 + "…" in message
    assert len(message) < 300


@given(st.text(max_size=512))
def test_no_name_fails_otherwise(name: str) -> None:
    if name not in ("llama3", "mistral"):
        assert len(unknown(TABLE, name)) < 400


def test_a_wrong_name_among_a_thousand_models_holds_nobody_up() -> None:
    table = RouteTable(
        a_route(f"organisation-{n % 37}/some-model-with-a-long-name-{n}-instruct")
        for n in range(1000)
    )
    took_s = []
    for attempt in range(5):
        began = time.perf_counter()
        unknown(table, f"organisation-3/some-modell-with-a-long-name-{attempt}9-instruct")
        took_s.append(time.perf_counter() - began)
    # Comparing with each of them would take some 200 ms.
    assert min(took_s) < 0.05


ONLY = frozenset({"qwen2.5-coder:7b", "gpt-4o-mini"})


@pytest.mark.parametrize("name", ["qwen2.5-coder:7b", "gpt-4o-mini"])
def test_a_caller_may_use_the_models_and_aliases_that_it_was_given(name: str) -> None:
    assert TABLE.resolve(name, ONLY).model in ("qwen2.5-coder:7b", "llama3")


def test_who_may_use_a_model_may_use_its_aliases() -> None:
    assert TABLE.resolve("gpt-4o-mini", frozenset({"llama3"})).model == "llama3"
    assert [name for name, _ in TABLE.names(frozenset({"llama3"}))] == [
        "llama3",
        "gpt-4o-mini",
        "meta-llama/Llama-3.1-8B-Instruct",
    ]


@pytest.mark.parametrize("name", ["llama3", "lama3", "mistral", "mistrl", "nothing-like-it"])
def test_what_a_caller_may_not_use_is_like_what_does_not_exist(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        TABLE.resolve(name, ONLY)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    told = caught.value.message.removeprefix(f"The model '{name}' does not exist.")
    assert told
    assert "llama3" not in told
    assert "mistral" not in told


def test_who_may_use_nothing_is_told_that_and_no_names() -> None:
    with pytest.raises(ModelNotFound) as caught:
        TABLE.resolve("llama3", frozenset({"elsewhere"}))
    assert caught.value.message.endswith("The key may use none that is offered now.")
    assert list(TABLE.names(frozenset({"elsewhere"}))) == []
    assert [name for name, _ in TABLE.names()] == [
        "llama3",
        "gpt-4o-mini",
        "meta-llama/Llama-3.1-8B-Instruct",
        "qwen2.5-coder:7b",
        "mistral",
    ]
