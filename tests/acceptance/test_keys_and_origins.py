"""Who may call: holders of keys, and web pages of the origins that the operator named."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import openai
import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import CHAT, ask, chat_body, get, request
from tests.acceptance.refusal import error_of
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

KEY = "sk-test-4f1d"
OLD_KEY = "sk-test-9c2e"
ORIGIN = "https://chat.example.com"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def runner() -> AsyncIterator[FakeRunner]:
    async with FakeRunner("llamacpp", embeddings=True) as runner:
        yield runner


@pytest.fixture(scope="module")
async def locked(
    runner: FakeRunner, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Here]:
    """A gateway that wants keys, and allows the pages of one origin."""
    keys = [
        {"name": "alice", "sha256": hashlib.sha256(KEY.encode()).hexdigest()},
        {"name": "bob", "sha256": hashlib.sha256(OLD_KEY.encode()).hexdigest()},
    ]
    config = one_model("llamacpp", runner.url)
    config |= {"auth": {"mode": "keys", "keys": keys}, "server": {"cors_origins": [ORIGIN]}}
    async with gateway_here(tmp_path_factory.mktemp("locked"), config) as here:
        yield here


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Bearer {KEY.upper()}"},
        {"authorization": "Bearer " + "x" * 10_000},
        {"authorization": "Bearer \xff\xfe"},
        {"x-api-key": ""},
        {"x-api-key": "wrong"},
        {"authorization": "Bearer wrong", "x-api-key": KEY},
    ],
    ids=repr,
)
async def test_without_a_known_key_nothing_is_told_and_nothing_done(
    locked: Here, runner: FakeRunner, headers: dict[str, str]
) -> None:
    before = len(runner.inferences)
    messages = set()
    # The second one is for a model that does not exist: a stranger must not learn that.
    for data in (
        request("POST", CHAT, chat_body(), headers),
        request("POST", CHAT, chat_body("nobody"), headers),
        request("POST", CHAT, b"{", headers),
        request("GET", "/v1/models", None, headers),
        request("GET", "/v1/models/demo", None, headers),
    ):
        answer = await ask(locked.port, data)
        error = error_of(answer, 401)
        assert error["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "demo" not in error["message"]
        messages.add(error["message"])
    assert len(messages) == 1
    assert len(runner.inferences) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"authorization": f"Bearer {OLD_KEY}"},
    ],
    ids=repr,
)
async def test_a_known_key_opens_everything(
    locked: Here, runner: FakeRunner, headers: dict[str, str]
) -> None:
    assert (await ask(locked.port, request("POST", CHAT, chat_body(), headers))).status == 200
    assert (await get(locked.port, "/v1/models", headers)).status == 200
    # The runner has keys of its own; the caller's is none of its business.
    sent = runner.inferences[-1].headers
    assert "authorization" not in sent
    assert "x-api-key" not in sent
    assert KEY not in str(sent)


async def test_the_openai_library_sends_its_key(locked: Here) -> None:
    async with openai.AsyncOpenAI(base_url=locked.base_url, api_key=KEY, max_retries=0) as client:
        assert [model.id async for model in client.models.list()] == ["demo"]
    wrong = openai.AsyncOpenAI(base_url=locked.base_url, api_key="wrong", max_retries=0)
    async with wrong as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_health_needs_no_key_and_tells_nothing(locked: Here) -> None:
    answer = await get(locked.port, "/health")
    assert answer.status == 200
    assert b"demo" not in answer.body
    assert b"box" not in answer.body


async def test_the_pages_of_an_allowed_origin_may_call(locked: Here) -> None:
    asking = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-lang",
    }
    before = await ask(locked.port, request("OPTIONS", CHAT, headers=asking))
    assert before.status == 200
    assert before.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in before.headers["access-control-allow-methods"]
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    keyed = {"origin": ORIGIN, "authorization": f"Bearer {KEY}"}
    for stream in (False, True):
        body = chat_body(stream=stream)
        answer = await ask(locked.port, request("POST", CHAT, body, keyed))
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
    # A page can only read why it was refused if that is allowed too.
    refused = await ask(locked.port, request("POST", CHAT, chat_body(), {"origin": ORIGIN}))
    error_of(refused, 401)
    assert refused.headers["access-control-allow-origin"] == ORIGIN


async def test_the_pages_of_other_origins_may_not(locked: Here) -> None:
    asking = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    before = await ask(locked.port, request("OPTIONS", CHAT, headers=asking))
    assert before.status >= 400
    assert "access-control-allow-origin" not in before.headers
    headers = {"origin": "https://evil.example", "x-api-key": KEY}
    answer = await ask(locked.port, request("POST", CHAT, chat_body(), headers))
    assert "access-control-allow-origin" not in answer.headers
