"""Every path with every method: what is wrong with them, and what would be right."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.acceptance.raw_http import (
    CHAT,
    ask,
    chat_body,
    connection,
    get,
    post,
    request,
)
from tests.acceptance.refusal import error_of
from tests.acceptance.stand import Stand, stand

pytestmark = pytest.mark.anyio

BODY = json.dumps(chat_body()).encode()

ROUTES = {
    CHAT: "POST",
    "/v1/completions": "POST",
    "/v1/embeddings": "POST",
    "/chat/completions": "POST",
    "/": "GET HEAD",
    "/v1/models": "GET HEAD",
    "/v1/models/demo": "GET HEAD",
    "/health": "GET HEAD",
    "/health/live": "GET HEAD",
    "/health/ready": "GET HEAD",
    "/metrics": "GET HEAD",
    "/docs": "GET HEAD",
    "/openapi.json": "GET HEAD",
    "/swagger/swagger-ui.css": "GET HEAD",
}

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with stand(tmp_path_factory.mktemp("gateway")) as built:
        yield built


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, right in ROUTES.items() for method in METHODS if method not in right],
)
async def test_a_wrong_method_is_405_and_says_which_one_is_right(
    on: Stand, path: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        answer = await ask(on.port, request(method, path, BODY))
    right = ROUTES[path].split()
    assert answer.status == 405
    # RFC 9110 section 15.5.6: the answer must have it.
    assert set(answer.headers["allow"].split(", ")) == set(right)
    if method == "HEAD":
        assert int(answer.headers["content-length"]) > 0
    else:
        error = error_of(answer, 405)
        assert error["code"] == "method_not_allowed"
        assert all(word in error["message"] for word in (method, *right))


@pytest.mark.parametrize("path", [path for path, right in ROUTES.items() if "GET" in right])
async def test_a_page_can_be_asked_for_by_its_head_alone(on: Stand, path: str) -> None:
    async with connection(on.port) as wire:
        for method in ("HEAD", "GET", "HEAD"):
            await wire.send(request(method, path))
            answer = await wire.answer()
            assert answer.status == 200
            assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nope",
        "/v1",
        "/v2/chat/completions",
        "/v1/chat",
        "/v1/chat/completions/x",
        "/v1/../metrics",
        "/v1/%2e%2e/metrics",
        "/v1/chat%2fcompletions/../x",
        "/v1/chat/completions%00",
        "/%ff%fe",
        "/admin",
        "/.env",
        "/v1/models/nope",
        "/v1/models/",
    ],
)
async def test_an_unknown_path_is_404(
    on: Stand, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        for method in ("GET", "POST"):
            answer = await ask(on.port, request(method, path, BODY))
            if path.startswith("/v1/models/") and method == "POST":
                error_of(answer, 405)
            elif path == "/v1/models/":
                # A base URL that ends in "/" is common, and its owner means the list.
                assert answer.status in (200, 405)
            else:
                error_of(answer, 404)


@pytest.mark.parametrize("path", ["//v1//chat/completions", "/v1/chat/completions/"])
async def test_superfluous_slashes_are_overlooked(on: Stand, path: str) -> None:
    assert (await post(on.port, chat_body(), path=path)).status == 200


async def test_a_query_is_overlooked(on: Stand) -> None:
    assert (await post(on.port, chat_body(), path=CHAT + "?api-version=1&x=%00")).status == 200


async def test_a_target_with_scheme_and_host_is_understood(on: Stand) -> None:
    answer = await get(on.port, f"http://127.0.0.1:{on.port}/v1/models")
    assert answer.status == 200


@pytest.mark.parametrize(
    "data", [b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n"]
)
async def test_targets_for_proxies_are_refused(
    on: Stand, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        answer = await ask(on.port, data)
    assert answer.status in (400, 404, 405)
    error_of(answer, answer.status)
