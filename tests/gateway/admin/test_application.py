"""Who gets the state, and what everybody else gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.admin.application import AdminApplication
from gateway.admin.state import PATH

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"
GOOD = (b"authorization", f"Bearer {TOKEN}".encode())
WRONG: list[list[tuple[bytes, bytes]]] = [
    [],
    [(b"authorization", b"")],
    [(b"authorization", b"Bearer")],
    [(b"authorization", b"Bearer ")],
    [(b"authorization", TOKEN.encode())],
    [(b"authorization", f"Basic {TOKEN}".encode())],
    [(b"authorization", f"Bearer {TOKEN}x".encode())],
    [(b"authorization", f"Bearer {TOKEN[:-1]}".encode())],
    [(b"authorization", f"Bearer {TOKEN} {TOKEN}".encode())],
    [(b"authorization", b"Bearer " + b"x" * 60_000)],
    [(b"authorization", b"Bearer \xff\xfe")],
    [(b"x-api-key", TOKEN.encode())],
    [(b"cookie", f"token={TOKEN}".encode())],
    [GOOD, GOOD],
    [(b"authorization", b"Bearer other"), GOOD],
]


class Asked:
    """One request to an application that is served by `state`."""

    def __init__(self, state: Any) -> None:
        self._application = AdminApplication(state, token=TOKEN)
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def __call__(
        self, *headers: tuple[bytes, bytes], method: str = "GET", path: str = PATH
    ) -> Asked:
        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        await self._application(scope, self._receive, self._send)
        return self

    async def _receive(self) -> Any:
        raise AssertionError("nobody reads the body of such a request")

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]


async def known() -> bytes:
    return b'{"version":"1"}'


async def never() -> bytes:
    raise AssertionError("it was looked at")


async def test_the_token_opens() -> None:
    answer = await Asked(known)(GOOD)
    assert (answer.status, answer.body) == (200, b'{"version":"1"}')
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.headers[b"cache-control"] == b"no-store"
    assert answer.headers[b"content-length"] == b"15"


@pytest.mark.parametrize("scheme", [b"bearer", b"BEARER"])
async def test_the_scheme_may_be_written_in_any_case(scheme: bytes) -> None:
    header = (b"authorization", scheme + b"  " + TOKEN.encode())
    assert (await Asked(known)(header)).status == 200


@pytest.mark.parametrize("headers", WRONG, ids=range(len(WRONG)))
async def test_everything_else_gets_one_and_the_same_refusal(
    headers: list[tuple[bytes, bytes]],
) -> None:
    answers = [
        await Asked(never)(*headers),
        await Asked(never)(*headers, path="/elsewhere"),
        await Asked(never)(*headers, method="DELETE"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    error = json.loads(answers[0].body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "invalid_admin_token"
    assert answers[0].headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_path"),
        ("GET", f"{PATH}/", 404, "unknown_path"),
        ("GET", f"/{PATH}", 404, "unknown_path"),
        ("GET", "/" + "x" * 10_000, 404, "unknown_path"),
        ("GET", "/v1/models", 404, "unknown_path"),
        ("POST", PATH, 405, "method_not_allowed"),
        ("OPTIONS", PATH, 405, "method_not_allowed"),
    ],
)
async def test_whoever_has_it_is_told_what_is_wrong(
    method: str, path: str, status: int, code: str
) -> None:
    answer = await Asked(never)(GOOD, method=method, path=path)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)
    assert len(answer.body) < 500


async def test_a_failure_of_ours_is_logged_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> bytes:
        raise KeyError("a secret of the inside")

    answer = await Asked(broken)(GOOD)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert "the admin listener failed" in caplog.text
    assert TOKEN not in caplog.text
