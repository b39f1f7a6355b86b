"""Knowing a head must change nothing but the cost: each request is compared with what a parser that
has seen none before makes of the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.server.request_parser import RequestParser

BASE = {"type": "http", "client": ("127.0.0.1", 50_000)}
PLAIN = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nContent-Length: %d\r\naccept: */*\r\n\r\n"
)


class Seen:
    """Every request that was parsed, its body put together, and how it was taken."""

    def __init__(self) -> None:
        self.requests: list[list[Any]] = []
        self.whole = 0

    def request_begins(
        self, scope: dict[str, Any], *, keep_alive: bool, continue_expected: bool
    ) -> None:
        self.requests.append([scope, keep_alive, continue_expected, b"", False])

    def whole_request(self, scope: dict[str, Any], body: bytes) -> None:
        self.whole += 1
        self.requests.append([scope, True, False, body, True])

    def request_body(self, data: bytes) -> None:
        self.requests[-1][3] += data

    def request_ends(self) -> None:
        self.requests[-1][4] = True


def parsed(*reads: bytes) -> Seen:
    """What one connection makes of these reads."""
    seen = Seen()
    parser = RequestParser(seen, BASE)
    for data in reads:
        parser.feed(data)
    return seen


def request(body: bytes, head: bytes = PLAIN) -> bytes:
    return head % len(body) + body


def test_the_second_request_with_the_same_head_is_taken_as_a_whole() -> None:
    first, second = request(b"one"), request(b"number two")
    seen = parsed(first, second)
    assert seen.whole == 1
    assert seen.requests == parsed(first).requests + parsed(second).requests


def test_what_an_application_does_to_its_scope_is_not_seen_by_the_next_request() -> None:
    seen = Seen()
    parser = RequestParser(seen, BASE)
    for _ in range(3):
        parser.feed(request(b"x"))
        seen.requests[-1][0]["headers"].append((b"added", b"1"))
        seen.requests[-1][0]["path"] = "/changed"
    assert seen.whole == 2
    parser.feed(request(b"x"))
    assert seen.requests[-1] == parsed(request(b"x")).requests[0]


def test_a_known_head_may_come_before_its_body() -> None:
    first, second = request(b"one"), request(b"number two")
    for cut in range(1, len(second)):
        seen = parsed(first, second[:cut], second[cut:])
        assert seen.requests == parsed(first).requests + parsed(second).requests


def test_what_follows_a_known_request_in_the_same_read_is_a_request_too() -> None:
    first, second = request(b"one"), request(b"number two")
    other = b"GET /g HTTP/1.1\r\nhost: x\r\n\r\n"
    seen = parsed(first, second + other + second, second[:-3], second[-3:] + other, first)
    each = (first, second, other, second, second, other, first)
    assert seen.requests == [parsed(one).requests[0] for one in each]


def test_a_known_request_may_have_no_body() -> None:
    seen = parsed(request(b"one"), request(b""), request(b"") + request(b"x"))
    assert [one[3:] for one in seen.requests] == [
        [b"one", True],
        [b"", True],
        [b"", True],
        [b"x", True],
    ]


def test_another_head_is_served_in_between() -> None:
    other = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    seen = parsed(request(b"one"), other, request(b"two"))
    assert seen.whole == 1
    assert seen.requests[1] == parsed(other).requests[0]


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n",
        b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n",
    ],
)
def test_a_head_that_says_more_than_a_length_is_parsed_each_time(head: bytes) -> None:
    one = request(b"hello", head)
    seen = parsed(one, one, one)
    assert seen.whole == 0
    assert seen.requests == parsed(one).requests * 3


@pytest.mark.parametrize(
    "digits", [b"-1", b"+5", b"5 5", b"0x5", b"", b"5,5", b"5\r\ncontent-length: 6"]
)
def test_a_length_that_is_none_is_refused_after_a_known_head_as_before_one(digits: bytes) -> None:
    before, after = PLAIN.split(b"%d")
    bad = before + digits + after + b"hello"
    seen = Seen()
    parser = RequestParser(seen, BASE)
    parser.feed(request(b"one"))
    with pytest.raises(GatewayError):
        parser.feed(bad)
    assert seen.whole == 0


def test_a_client_whose_head_always_changes_is_not_remembered() -> None:
    def numbered(number: int) -> bytes:
        return PLAIN.replace(b"host: x", b"host: x\r\nnumber: %d" % number)

    seen = parsed(*(request(b"x", numbered(at // 2)) for at in range(40)))
    assert seen.whole == 4
    assert len(seen.requests) == 40


token = st.text("abcdefgXYZ-", min_size=1, max_size=12)
value = st.text("abc 0123456789,;=/\t", max_size=12)


@given(
    headers=st.lists(st.tuples(token, value), max_size=5),
    at=st.integers(0, 5),
    spelling=st.sampled_from(["content-length: ", "Content-Length:", "CONTENT-LENGTH:\t "]),
    bodies=st.lists(st.binary(max_size=300), min_size=2, max_size=4),
    cut=st.integers(0, 500),
)
def test_knowing_the_head_changes_nothing(
    headers: list[tuple[str, str]], at: int, spelling: str, bodies: list[bytes], cut: int
) -> None:
    lines = [f"{name}: {text}" for name, text in headers]
    lines.insert(at, f"{spelling}%d")
    head = "\r\n".join(["POST /p?q=1 HTTP/1.1", *lines, "", ""]).encode()
    each = [request(body, head) for body in bodies]
    reads = [each[0]] + [part for one in each[1:] for part in (one[:cut], one[cut:]) if part]
    assert parsed(*reads).requests == [parsed(one).requests[0] for one in each]
