"""What the gateway offers besides inference: models, documentation, keys, CORS, own pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import CHAT, ask, chat_body, get, post, request
from tests.acceptance.refusal import error_of
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

KEY = "sk-test-4f1d"
OLD_KEY = "sk-test-9c2e"
ORIGIN = "https://chat.example.com"
NAMES = ("org/model", "llama3:8b", "hf.co/org/model:Q4_K_M", "ft@v1", "a+b", "models")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def runner() -> AsyncIterator[FakeRunner]:
    async with FakeRunner("llamacpp", embeddings=True) as runner:
        yield runner


@pytest.fixture(scope="module")
async def here(runner: FakeRunner, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    config = one_model("llamacpp", runner.url)
    config["models"]["demo"]["aliases"] = list(NAMES)
    async with gateway_here(tmp_path_factory.mktemp("gateway"), config) as here:
        yield here


def escaped(name: str) -> str:
    """Percent-encoded but for what is always allowed."""
    return "".join(f"%{byte:02X}" for byte in name.encode())


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_is_found_by_its_name_however_it_is_written(here: Here, name: str) -> None:
    for written in (name, escaped(name), name.replace("/", "%2F"), name.replace(":", "%3a")):
        for path in (f"/v1/models/{written}", f"/models/{written}", f"/v1//models/{written}"):
            answer = await get(here.port, path)
            assert (answer.status, answer.json["id"]) == (200, name), path
    async with openai.AsyncOpenAI(base_url=here.base_url, api_key="x", max_retries=0) as client:
        assert (await client.models.retrieve(name)).id == name
        chat = await client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "Hi"}]
        )
        assert chat.model == name


async def test_models_are_listed_with_what_all_clients_look_for(here: Here) -> None:
    document = (await get(here.port, "/v1/models")).json
    assert document["object"] == "list"
    assert [card["id"] for card in document["data"]] == ["demo", *NAMES]
    for card in document["data"]:
        assert card["object"] == "model"
        assert isinstance(card["created"], int)
        assert card["owned_by"]
        assert card["context_length"] > 0
    assert document == (await get(here.port, "/models")).json
    # A base URL that ends in a slash.
    assert document == (await get(here.port, "/v1//models")).json
    assert document == (await get(here.port, "/v1/models/")).json


async def test_inference_is_there_without_v1_as_well(here: Here) -> None:
    assert (await post(here.port, chat_body(), path="/chat/completions")).status == 200
    completion = {"model": "demo", "prompt": "Once"}
    assert (await post(here.port, completion, path="/completions")).status == 200
    embedding = {"model": "demo", "input": "Once"}
    assert (await post(here.port, embedding, path="/embeddings")).status == 200


async def test_the_root_says_where_to_go_on(here: Here) -> None:
    document = (await get(here.port, "/")).json
    assert document["name"] == "sluicegate"
    assert document["base_url"].endswith("/v1")
    page = await get(here.port, "/", {"accept": "text/html", "host": "<script>alert(1)</script>"})
    assert page.headers["content-type"].startswith("text/html")
    assert b"<script>" not in page.body
    for path in re.findall(rb'href="(/[^"]+)"', page.body):
        assert (await get(here.port, path.decode())).status == 200
    assert (await ask(here.port, request("HEAD", "/"))).status == 200


async def test_the_documentation_loads_nothing_from_elsewhere(here: Here) -> None:
    page = await get(here.port, "/docs", {"host": "evil.example"})
    assert page.status == 200
    text = page.body.decode()
    assert "evil.example" not in text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text) + re.findall(r"url: '([^']+)'", text)
    assert len(loaded) >= 4
    for reference in loaded:
        # Relative to /docs, so that it also works behind a proxy's path prefix and TLS.
        assert re.fullmatch(r"[\w-]+(/[\w.-]+|\.json)", reference), reference
        assert (await get(here.port, "/" + reference)).status == 200
    assert not re.findall(r"https?://", text)
    style = (await get(here.port, "/swagger/swagger-ui.css")).body.decode()
    assert not re.findall(r"(?:@import|url\()\s*['\"]?https?:", style)


async def test_the_documentation_knows_every_endpoint(here: Here) -> None:
    document = (await get(here.port, "/openapi.json")).json
    paths = {CHAT, "/v1/completions", "/v1/embeddings", "/v1/models", "/health", "/metrics"}
    assert paths <= set(document["paths"])
    body = document["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]
    name = body["schema"]["$ref"].rpartition("/")[2]
    assert {"model", "messages"} == set(document["components"]["schemas"][name]["required"])


async def test_health_is_there_for_those_who_ask(here: Here) -> None:
    assert (await get(here.port, "/health")).json == {"status": "ok", "runners": {"ready": 1}}
    assert (await get(here.port, "/health/live")).status == 200
    assert (await get(here.port, "/health/ready")).status == 200
    assert (await ask(here.port, request("HEAD", "/health/ready"))).status == 200


async def test_metrics_can_be_switched_off(tmp_path: Path, runner: FakeRunner) -> None:
    config: dict[str, Any] = one_model("llamacpp", runner.url) | {"metrics": {"enabled": False}}
    async with gateway_here(tmp_path, config) as here:
        error_of(await get(here.port, "/metrics"), 404)


async def test_metrics_count_what_happened(here: Here) -> None:
    await post(here.port, chat_body())
    await post(here.port, chat_body("nobody"))
    page = await get(here.port, "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    text = page.body.decode()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["sluicegate_requests_total", "/chat/completions", "200", "demo", "llamacpp"] >= 1
    assert found["sluicegate_slots", "box"] == 1
    assert found["sluicegate_in_flight", "box"] == 0
    assert "nobody" not in text
