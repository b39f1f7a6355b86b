"""The one shape in which a caller gets an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from gateway.wire import error_body, error_headers

ERRORS = [
    InvalidRequest("wrong", param="n"),
    InvalidRequest("too slow", status=408, close=True),
    Unauthenticated(),
    ModelNotFound("unknown"),
    Overloaded("busy", retry_after_s=3.2),
    RateLimited(
        "often",
        retry_after_s=0.2,
        headers=((b"x-ratelimit-limit-requests", b"1"),),
        bucket="key.concurrent",
    ),
    RateLimited("today", retry_after_s=None, headers=(), bucket="key.tokens_per_day"),
    Unavailable("down", code="runner_unreachable", retry_after_s=2.0),
    UpstreamFailed("broke off"),
    UpstreamFailed("slow", status=504, code="upstream_timeout"),
    GatewayError('odd \u2028 \u0000 " \\ ü', status=418, type="made_up"),
]
errors = pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error.status))


def headers_of(error: GatewayError) -> dict[bytes, bytes]:
    pairs = error_headers(error, error_body(error))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@errors
def test_an_error_always_has_the_four_keys(error: GatewayError) -> None:
    body = json.loads(error_body(error))
    assert list(body) == ["error"]
    assert body["error"] == {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    assert isinstance(body["error"]["type"], str)
    assert body["error"]["code"] is None or isinstance(body["error"]["code"], str)


@errors
def test_the_length_is_that_of_the_body(error: GatewayError) -> None:
    headers = headers_of(error)
    assert headers[b"content-length"] == str(len(error_body(error))).encode()
    assert headers[b"content-type"] == b"application/json"


@given(st.floats(min_value=0.001, max_value=60.0))
def test_callers_are_never_asked_back_too_early(retry_after_s: float) -> None:
    headers = headers_of(Overloaded("busy", retry_after_s=retry_after_s))
    assert headers[b"retry-after"].isdigit()
    assert headers[b"retry-after-ms"].isdigit()
    assert 0 <= int(headers[b"retry-after"]) - retry_after_s <= 1
    assert 0 <= int(headers[b"retry-after-ms"]) - retry_after_s * 1000 <= 1
    assert b"x-should-retry" not in headers


def test_nobody_is_told_when_to_come_back_where_waiting_does_not_help() -> None:
    headers = headers_of(InvalidRequest("wrong"))
    assert not headers.keys() & {b"retry-after", b"retry-after-ms", b"x-should-retry"}


def test_work_that_took_too_long_is_not_to_be_sent_again() -> None:
    assert headers_of(UpstreamFailed("slow", status=504))[b"x-should-retry"] == b"false"


def test_a_missing_key_names_the_scheme() -> None:
    assert headers_of(Unauthenticated())[b"www-authenticate"] == b"Bearer"


def test_a_request_that_was_not_read_to_its_end_closes_the_connection() -> None:
    assert headers_of(InvalidRequest("slow", close=True))[b"connection"] == b"close"
    assert b"connection" not in headers_of(InvalidRequest("wrong"))
