from __future__ import annotations

from collections.abc import Mapping

import pytest

from backends.base import ModelCard, Probe, RunnerState
from backends.ollama import OllamaBackend
from backends.ollama_native.installed import canonical
from backends.transport import Transport
from tests.backends.ollama_calls import call
from tests.backends.ollama_driver import PINNED, answered, driven
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import FakeModel
from tests.fakes.ollama_http import Exchange, HttpServer

pytestmark = pytest.mark.anyio


async def test_a_probe_tells_what_is_installed_and_loads_nothing() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        await answered(backend, backend.prepare(call(), PINNED))
        probe = await backend.probe()
        assert (probe.state, probe.version, probe.slots) == (RunnerState.READY, "0.33.0", None)
        assert probe.models is not None
        cards = {card.id: card for card in probe.models}
        assert cards["llama3:8b"].context_length == 8192
        assert cards["gemma:2b"].context_length == 131072
        assert cards["nomic-embed-text:latest"].aliases == ("nomic-embed-text",)
        assert "loaded: llama3:8b" in probe.detail
        assert fake.engine.loads == [("llama3:8b", 8192)]
        assert {seen.method for seen in fake.requests[1:]} == {"GET"}


async def test_models_of_ollamas_cloud_are_not_offered() -> None:
    models = (
        FakeModel("gpt-oss:120b-cloud"),
        FakeModel("glm:cloud"),
        FakeModel("renamed:latest", remote_host="https://ollama.com"),
        FakeModel("llama3:8b"),
    )
    async with FakeOllama(models) as fake, driven(fake) as backend:
        probe = await backend.probe()
        assert probe.models is not None
        assert [card.id for card in probe.models] == ["llama3:8b"]
        assert "gpt-oss:120b-cloud, glm:cloud, renamed:latest" in probe.detail


async def test_an_ollama_without_models_is_ready_and_says_what_to_do() -> None:
    async with FakeOllama(()) as fake, driven(fake) as backend:
        probe = await backend.probe()
        assert (probe.state, probe.models) == (RunnerState.READY, ())
        assert "ollama pull" in probe.detail


async def test_a_runner_that_is_not_there_is_down() -> None:
    async with FakeOllama() as fake:
        url = fake.url
    backend = OllamaBackend(Transport(url), name="laptop")
    probe = await backend.probe()
    assert probe.state is RunnerState.DOWN
    assert url in probe.detail
    await backend.aclose()


LOCALAI = {
    "/api/version": {"version": "0.9.0"},
    "/api/tags": {"models": [{"name": "llama:latest", "digest": "sha256:6f1e"}]},
    "/api/ps": {"models": None},
}


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        pytest.param(LOCALAI, "backend: openai", id="LocalAI"),
        pytest.param(
            LOCALAI | {"/api/tags": {"models": None}}, "backend: openai", id="LocalAI, empty"
        ),
        pytest.param(
            {"/api/tags": {"models": [{"name": "m", "digest": "sha256:sglang00"}]}},
            "HTTP 404",
            id="SGLang",
        ),
        pytest.param({"/api/version": ["0.33"]}, "is it ollama?", id="something else"),
        pytest.param({}, "is it ollama?", id="nothing known"),
    ],
)
async def test_an_imitation_is_not_taken_for_ollama(pages: dict[str, object], words: str) -> None:
    probe = await looked_at({path: (200, page) for path, page in pages.items()})
    assert probe.state is RunnerState.DOWN
    assert words in probe.detail
    assert "laptop" in probe.detail


async def test_a_proxy_that_wants_a_credential_is_named_as_such() -> None:
    probe = await looked_at({"/api/version": (401, "who are you?")})
    assert probe.state is RunnerState.DOWN
    assert "api_key" in probe.detail


async def test_an_ollama_that_cannot_list_its_models_still_serves() -> None:
    pages = {"/api/version": (200, {"version": "0.33.0"}), "/api/tags": (500, {"error": "disk"})}
    probe = await looked_at(pages)
    assert (probe.state, probe.models) == (RunnerState.READY, None)
    assert "HTTP 500" in probe.detail


async def test_what_is_loaded_may_stay_unknown() -> None:
    tags = {"models": [{"name": "llama3:8b", "digest": "365c", "details": None}]}
    pages = {"/api/version": (200, {"version": "0.33.0"}), "/api/tags": (200, tags)}
    probe = await looked_at(pages)
    assert probe.models == (ModelCard("llama3:8b"),)


async def test_a_loaded_model_is_recognised_whatever_its_spelling() -> None:
    tags = {"models": [{"name": "Llama3:latest", "details": {"context_length": 131072}}]}
    running = {"models": [{"name": "llama3", "context_length": 8192}]}
    pages = {"/api/version": {"version": "0.33.0"}, "/api/tags": tags, "/api/ps": running}
    probe = await looked_at({path: (200, page) for path, page in pages.items()})
    assert probe.models == (ModelCard("Llama3:latest", ("Llama3",), 8192),)


async def looked_at(pages: Mapping[str, tuple[int, object]]) -> Probe:
    """The probe of a server that has these pages and answers 404 to all else."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send_json(*pages.get(exchange.seen.path, (404, "not found")))

    server = HttpServer(answer)
    await server.start()
    backend = OllamaBackend(Transport(server.url), name="laptop")
    try:
        return await backend.probe()
    finally:
        await backend.aclose()
        await server.stop()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("llama3", "llama3:latest"),
        ("Llama3:8B", "llama3:8b"),
        ("registry.ollama.ai/library/llama3", "llama3"),
        ("library/llama3:8b", "llama3:8b"),
        ("hf.co/Bartowski/X-GGUF:Q4_K_M", "hf.co/bartowski/x-gguf:q4_k_m"),
        ("localhost:5000/me/m", "localhost:5000/me/m:latest"),
    ],
)
def test_names_are_compared_as_ollama_does(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_another_tag_is_another_model() -> None:
    assert canonical("llama3:8b") != canonical("llama3:70b")
