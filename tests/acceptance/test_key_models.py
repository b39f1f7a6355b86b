"""A key that may use some models, and what the others are to it: nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import ask, request
from tests.acceptance.refusal import error_of
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

ALL, SOME, LATE = "key-for-all", "key-for-some", "key-that-ended"
NAMES = {"demo", "short", "secret-one", "hidden"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    """A gateway with two models and three keys."""

    def key(name: str, text: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), **more}

    async with FakeRunner("llamacpp") as runner:
        config = one_model("llamacpp", runner.url)
        target = config["models"]["demo"]
        config["models"] = {
            "demo": {**target, "aliases": ["short"]},
            "secret-one": {**target, "aliases": ["hidden"]},
        }
        keys = [
            key("all", ALL),
            key("some", SOME, models=["demo", "hidden"]),
            key("late", LATE, expires="2020-01-01"),
        ]
        config["auth"] = {"mode": "keys", "keys": keys}
        async with gateway_here(tmp_path_factory.mktemp("shared"), config) as here:
            yield here


async def listed(here: Here, key: str) -> set[str]:
    answer = await ask(here.port, request("GET", "/v1/models", None, {"x-api-key": key}))
    assert answer.status == 200
    return {card["id"] for card in json.loads(answer.body)["data"]}


async def test_a_key_sees_the_models_that_it_may_use(shared: Here) -> None:
    assert await listed(shared, ALL) == NAMES
    assert await listed(shared, SOME) == {"demo", "short", "hidden"}


@pytest.mark.parametrize("name", ["demo", "short", "hidden"])
async def test_it_can_ask_about_each_of_them(shared: Here, name: str) -> None:
    headers = {"authorization": f"Bearer {SOME}"}
    answer = await ask(shared.port, request("GET", f"/v1/models/{name}", None, headers))
    assert answer.status == 200
    assert json.loads(answer.body)["id"] == name


@pytest.mark.parametrize("name", ["secret-one", "secret-two", "nothing"])
async def test_the_others_do_not_exist_for_it(shared: Here, name: str) -> None:
    headers = {"authorization": f"Bearer {SOME}"}
    answer = await ask(shared.port, request("GET", f"/v1/models/{name}", None, headers))
    error = error_of(answer, 404)
    assert error["code"] == "model_not_found"
    assert "secret-one" not in error["message"].removeprefix(f"The model '{name}'")


async def test_a_key_that_ended_opens_nothing(shared: Here) -> None:
    answer = await ask(shared.port, request("GET", "/v1/models", None, {"x-api-key": LATE}))
    assert error_of(answer, 401)["code"] == "invalid_api_key"
