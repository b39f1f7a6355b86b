"""Probes of servers that are none of the recorded ones, or not well."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from backends.base import Backend, BackendKind, ModelCard, Probe, RunnerState
from tests.backends.adapters import adapter
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_http import Exchange, HttpServer
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio

Page = tuple[int, object]
SGLANG = {"data": [{"id": "m", "owned_by": "sglang"}]}
VLLM = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 512}]}


class Site:
    """A server of a few pages; whatever else is asked for is a 404."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = dict(pages)
        self.server = HttpServer(self._answer)

    async def _answer(self, exchange: Exchange) -> None:
        status, page = self.pages.get(exchange.seen.path, (404, {"detail": "Not Found"}))
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        await exchange.send(status, body)


@asynccontextmanager
async def site(
    kind: BackendKind, pages: Mapping[str, Page], path: str = ""
) -> AsyncIterator[tuple[Backend, Site]]:
    """An adapter before a server of these pages."""
    made = Site(pages)
    await made.server.start()
    backend = adapter(kind, made.server.url + path)
    try:
        yield backend, made
    finally:
        await backend.aclose()
        await made.server.stop()


async def probe(kind: BackendKind, pages: Mapping[str, Page]) -> Probe:
    async with site(kind, pages) as (backend, _):
        return await backend.probe()


@pytest.mark.parametrize("kind", ["llamacpp", "llama-cpp-python", "vllm"])
async def test_an_ollama_is_recognised(kind: BackendKind) -> None:
    async with FakeOllama() as ollama:
        backend = adapter(kind, ollama.url)
        seen = await backend.probe()
        assert seen.state is RunnerState.DOWN
        assert "seems to be Ollama" in seen.detail
        assert "`backend: ollama` for runner r" in seen.detail
        assert "/v1/models" not in [request.path for request in ollama.requests]
        await backend.aclose()


@pytest.mark.parametrize("kind", ["llamacpp", "llama-cpp-python", "vllm"])
async def test_what_nobody_knows_is_down_and_says_what_to_check(kind: BackendKind) -> None:
    for pages in ({}, {"/health": (500, b"oops")}, {"/health": (200, b"<html>")}):
        seen = await probe(kind, pages)
        assert seen.state is RunnerState.DOWN
        assert "Check url and backend of runner r" in seen.detail


async def test_a_server_for_which_the_openai_adapter_is_there_is_told_so() -> None:
    seen = await probe("vllm", {"/health": (200, b""), "/v1/models": (200, SGLANG)})
    assert seen.state is RunnerState.DOWN
    assert "SGLang, not vllm: write `backend: openai`" in seen.detail


async def test_a_vllm_whose_engine_died_is_down() -> None:
    seen = await probe("vllm", {"/health": (503, b"")})
    assert seen.state is RunnerState.DOWN
    assert "engine" in seen.detail


async def test_a_vllm_that_is_recognised_but_not_well_is_down() -> None:
    metrics = b"# HELP x\nvllm:num_requests_running 0.0\n"
    pages = {"/health": (500, b""), "/version": (200, {"version": "1"}), "/metrics": (200, metrics)}
    seen = await probe("vllm", pages)
    assert seen.state is RunnerState.DOWN
    assert "is vLLM, but answered HTTP 500" in seen.detail


@pytest.mark.parametrize("sleeping", [True, False])
async def test_without_metrics_the_development_route_tells_whether_vllm_sleeps(
    sleeping: bool,
) -> None:
    pages = {"/health": (200, b""), "/v1/models": (200, VLLM)}
    seen = await probe("vllm", pages | {"/is_sleeping": (200, {"is_sleeping": sleeping})})
    assert seen.state is (RunnerState.ASLEEP if sleeping else RunnerState.READY)
    assert seen.wakes is not sleeping
    assert seen.models == (ModelCard("m", (), 512),)


async def test_llama_cpp_python_is_recognised_once_and_then_only_looked_at() -> None:
    described = {"info": {"title": "llama.cpp Python API", "version": "1"}}
    async with site("llama-cpp-python", {"/openapi.json": (200, described)}) as (backend, made):
        for _ in range(3):
            seen = await backend.probe()
            assert (seen.state, seen.slots, seen.version) == (RunnerState.READY, 1, "1")
        asked = [request.path for request in made.server.requests]
        assert asked == ["/openapi.json", "/", "/"]
        made.pages = {"/": (200, b"something else")}
        assert (await backend.probe()).state is RunnerState.DOWN


@pytest.mark.parametrize(
    ("page", "state", "detail"),
    [
        ((200, {"data": []}), RunnerState.READY, ""),
        ((404, b""), RunnerState.READY, "does not list its models"),
        ((503, b""), RunnerState.LOADING, "HTTP 503"),
        ((500, b""), RunnerState.DOWN, "HTTP 500 without a list of models"),
        ((200, b"<html>"), RunnerState.DOWN, "without a list of models"),
        ((403, b""), RunnerState.DOWN, "set api_key of runner r"),
    ],
)
@pytest.mark.parametrize("path", ["", "/v1"])
async def test_a_server_of_unknown_make_is_judged_by_its_list_of_models(
    page: Page, state: RunnerState, detail: str, path: str
) -> None:
    async with site("openai", {"/v1/models": page}, path) as (backend, _):
        seen = await backend.probe()
    assert seen.state is state
    assert detail in seen.detail


async def test_odd_lists_of_models_are_read_as_far_as_they_go() -> None:
    cards = [
        {"id": "a", "aliases": ["a", "b", 7], "context_length": 99},
        {"id": "c", "aliases": "x", "meta": {"n_ctx": 7}, "max_model_len": None},
        {"id": ""},
        {"name": "d"},
        "e",
    ]
    seen = await probe("openai", {"/v1/models": (200, {"data": cards})})
    assert seen.models == (ModelCard("a", ("b",), 99), ModelCard("c", (), 7))


async def test_the_router_of_llama_server_lists_its_models_and_has_no_slots_of_its_own() -> None:
    cards = [{"id": "a", "status": {"value": "unloaded"}}, {"id": "b", "context_length": 9}]
    pages: dict[str, Page] = {
        "/health": (200, {"status": "ok"}),
        "/props": (200, {"role": "router", "max_instances": 4}),
        "/v1/models": (200, {"data": cards}),
    }
    seen = await probe("llamacpp", pages)
    assert (seen.state, seen.slots) == (RunnerState.READY, None)
    assert seen.models == (ModelCard("a"), ModelCard("b", (), 9))


async def test_a_llama_server_that_begins_to_load_between_two_questions_is_not_ready() -> None:
    async with FakeRunner("llamacpp") as fake:
        backend = adapter("llamacpp", fake.url)
        assert (await backend.probe()).slots == 4
        fake.state = State.LOADING
        assert (await backend.probe()).state is RunnerState.LOADING
        await backend.aclose()


@pytest.mark.parametrize("kind", ["ollama", "llamacpp", "llama-cpp-python", "vllm"])
async def test_a_url_that_hides_the_rest_of_the_runner_is_refused(kind: BackendKind) -> None:
    with pytest.raises(ValueError, match="leave /v1 out"):
        adapter(kind, "http://127.0.0.1:1/v1")
