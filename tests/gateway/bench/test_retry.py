"""Retrying follows the client libraries: what they retry, and how long they wait."""

from __future__ import annotations

import random

import pytest

from backends.errors import ConnectFailed, ConnectionLost, ReplyInvalid, RunnerTimeout
from gateway.bench.retry import retry_after_s, should_retry_fault, should_retry_status, wait_s

NOW = 1_795_000_000.0


def header(**values: bytes):  # type: ignore[no-untyped-def]  # a bound method of a dict
    return {name.replace("_", "-").encode(): value for name, value in values.items()}.get


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({}, None),
        ({"retry_after": b"3"}, 3.0),
        ({"retry_after": b"0.5"}, 0.5),
        ({"retry_after": b"-4"}, 0.0),
        ({"retry_after_ms": b"1500", "retry_after": b"9"}, 1.5),
        ({"retry_after": b"Wed, 18 Nov 2026 11:06:50 GMT"}, 10.0),
        ({"retry_after": b"soon"}, None),
        ({"retry_after": b"nan"}, None),
        ({"retry_after": b"inf"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, bytes], asked_s: float | None) -> None:
    assert retry_after_s(header(**headers), NOW) == asked_s


@pytest.mark.parametrize(
    ("status", "again"),
    [(400, False), (401, False), (404, False), (408, True), (409, True), (429, True), (503, True)],
)
def test_statuses_that_are_tried_again(status: int, again: bool) -> None:
    assert should_retry_status(status, header()) is again


def test_the_server_has_the_last_word_on_retrying() -> None:
    assert not should_retry_status(429, header(x_should_retry=b"false"))
    assert should_retry_status(400, header(x_should_retry=b"true"))


def test_only_a_request_without_an_answer_is_tried_again() -> None:
    assert should_retry_fault(ConnectFailed("x"))
    assert should_retry_fault(ConnectionLost("x"))
    assert should_retry_fault(RunnerTimeout("x", phase="total", budget_s=1))
    assert not should_retry_fault(ReplyInvalid("x"))


def test_it_waits_as_told_else_longer_each_time_and_gives_up_after_two_retries() -> None:
    draw = random.Random(1)
    assert wait_s(1, 7.0, draw) == 7.0
    assert 0.375 <= (wait_s(1, None, draw) or 0) <= 0.5
    assert 0.75 <= (wait_s(2, None, draw) or 0) <= 1.0
    assert wait_s(3, 7.0, draw) is None
    assert wait_s(1, 121.0, draw) is None
