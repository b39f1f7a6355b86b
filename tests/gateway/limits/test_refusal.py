"""What a caller over a limit is told."""

from __future__ import annotations

import json

import pytest

from gateway.limits.bucket import Bucket, Kind
from gateway.limits.refusal import refusal
from gateway.wire import error_body, error_headers

HEADERS = ((b"x-ratelimit-limit-requests", b"60"),)


def a_bucket(kind: Kind, limit: int, owner: str = "key", name: str = "alice") -> Bucket:
    return Bucket(kind, limit, owner, name, "0", True)


@pytest.mark.parametrize(
    ("bucket", "wait_s", "message"),
    [
        (
            a_bucket(Kind.REQUESTS_PER_MINUTE, 60),
            0.31,
            "Key 'alice' has used up its limit of 60 requests a minute; try again in 0.4 s.",
        ),
        (
            a_bucket(Kind.TOKENS_PER_MINUTE, 1, "tenant", "team-a"),
            12,
            "Tenant 'team-a' has used up its limit of 1 token a minute; try again in 12 s.",
        ),
        (
            a_bucket(Kind.REQUESTS_PER_MINUTE, 600, "model", "llama3"),
            1,
            "Model 'llama3' has used up its limit of 600 requests a minute, which all who call it "
            "share; try again in 1 s.",
        ),
        (
            a_bucket(Kind.TOKENS_PER_DAY, 1000, "client", "10.0.0.7"),
            11_400,
            "Client '10.0.0.7' has used up its limit of 1000 tokens in 24 hours; "
            "try again in 3 h 10 min.",
        ),
        (
            a_bucket(Kind.REQUESTS_PER_DAY, 5),
            600,
            "Key 'alice' has used up its limit of 5 requests in 24 hours; try again in 10 min.",
        ),
        (
            a_bucket(Kind.CONCURRENT, 4, "model", "llama3"),
            2,
            "Model 'llama3' has its limit of 4 requests at once running; try again in 2 s.",
        ),
        (
            a_bucket(Kind.CONCURRENT, 1, "client", ""),
            2,
            "Everybody together has its limit of 1 request at once running; try again in 2 s.",
        ),
    ],
)
def test_it_names_the_owner_the_limit_and_the_time(
    bucket: Bucket, wait_s: float, message: str
) -> None:
    error = refusal(bucket, wait_s=wait_s, retry_after_s=wait_s, headers=HEADERS)
    assert error.message == message
    assert error.bucket == f"{bucket.owner}.{bucket.kind.setting}"
    body = json.loads(error_body(error))["error"]
    assert body["type"] == "rate_limit_error"
    assert body["code"] == "rate_limit_exceeded"
    assert error.status == 429


def test_who_has_to_wait_for_seconds_is_told_when_to_come_back() -> None:
    bucket = a_bucket(Kind.TOKENS_PER_DAY, 1000)
    error = refusal(bucket, wait_s=59.5, retry_after_s=59.5, headers=HEADERS)
    headers = dict(error_headers(error, error_body(error)))
    assert headers[b"retry-after"] == b"60"
    assert headers[b"retry-after-ms"] == b"59500"
    assert headers[b"x-ratelimit-limit-requests"] == b"60"
    assert b"x-should-retry" not in headers


def test_who_has_to_wait_for_hours_is_told_not_to_try_again() -> None:
    bucket = a_bucket(Kind.TOKENS_PER_DAY, 1000)
    error = refusal(bucket, wait_s=7200.0, retry_after_s=60.0, headers=HEADERS)
    headers = dict(error_headers(error, error_body(error)))
    assert headers[b"x-should-retry"] == b"false"
    assert not headers.keys() & {b"retry-after", b"retry-after-ms"}
    assert error.message.endswith("try again in 2 h 0 min.")


def test_a_minute_deep_in_debt_is_worth_waiting_for() -> None:
    bucket = a_bucket(Kind.TOKENS_PER_MINUTE, 1000)
    error = refusal(bucket, wait_s=110.0, retry_after_s=60.0, headers=())
    assert error.retry_after_s == 60.0
