"""Knowing a head must change nothing but the cost: each answer is compared with what a parser that
has seen none before makes of the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import ReplyInvalid
from backends.transport.known_head import Headers
from backends.transport.reply_parser import ReplyParser

PLAIN = b"HTTP/1.1 200 OK\r\ndate: Thu, 26 Nov 2026\r\nContent-Length: %d\r\nserver: x\r\n\r\n"

Seen = tuple[int, Headers, bytes, bool, bool]


def answer(body: bytes, head: bytes = PLAIN) -> bytes:
    return head % len(body) + body


def read(parser: ReplyParser, *reads: bytes) -> Seen:
    """One answer, as a parser sees it."""
    parser.begin(bodiless=False)
    for data in reads:
        parser.feed(data)
    return parser.status, parser.headers, parser.take(), parser.complete, parser.keep_alive


def afresh(*reads: bytes) -> Seen:
    return read(ReplyParser(), *reads)


def knowing(*answers: bytes) -> ReplyParser:
    """A parser that has read these answers."""
    parser = ReplyParser()
    for data in answers:
        read(parser, data)
    return parser


def test_the_next_answer_with_the_same_head_is_read_the_same() -> None:
    parser = knowing(answer(b"one"))
    for body in (b"number two", b"", b"x" * 70_000):
        assert read(parser, answer(body)) == afresh(answer(body))


def test_an_answer_with_a_known_head_may_come_in_pieces() -> None:
    data = answer(b"number two")
    for cut in range(1, len(data)):
        reads = (data[:cut], data[cut:])
        assert read(knowing(answer(b"one")), *reads) == afresh(*reads)


def test_bytes_behind_an_answer_with_a_known_head_end_the_connection() -> None:
    data = answer(b"two") + b"HTTP/1.1 200 OK\r\n"
    seen = read(knowing(answer(b"one")), data)
    assert seen == afresh(data)
    assert seen[-1] is False


def test_the_answer_to_head_has_no_body_whatever_was_known_before() -> None:
    parser = knowing(answer(b"one"))
    parser.begin(bodiless=True)
    parser.feed(PLAIN % 3)
    assert (parser.complete, parser.keep_alive, parser.take()) == (True, False, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\ncontent-length: %d\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    ],
)
def test_other_heads_are_read_as_ever(head: bytes) -> None:
    data = head % 0
    assert read(knowing(answer(b"one")), data) == afresh(data)


@pytest.mark.parametrize("digits", [b"-1", b"+5", b"0x5", b"5,5", b"5\r\ncontent-length: 6"])
def test_a_length_that_is_none_is_refused_after_a_known_head_as_before_one(digits: bytes) -> None:
    before, after = PLAIN.split(b"%d")
    parser = knowing(answer(b"one"))
    with pytest.raises(ReplyInvalid):
        read(parser, before + digits + after + b"hello")


def test_a_head_that_changes_now_and_then_is_learnt_again() -> None:
    parser = knowing()
    for second in range(30):
        for body in (b"a", b"bc"):
            data = answer(body, PLAIN.replace(b"26", b"%02d" % second))
            assert read(parser, data) == afresh(data)


token = st.text("abdfgXYZ-", min_size=1, max_size=12)
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
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()
    parser = knowing(answer(bodies[0], head))
    for body in bodies:
        data = answer(body, head)
        reads = [part for part in (data[:cut], data[cut:]) if part]
        assert read(parser, *reads) == afresh(data)
