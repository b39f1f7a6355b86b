from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import ReplyInvalid
from backends.transport.reply_parser import HEAD_LIMIT, HEADER_COUNT_LIMIT, ReplyParser
from tests.fakes.bad_peer import answer, chunk, chunked, chunked_head

bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def read(parser: ReplyParser, *segments: bytes, bodiless: bool = False) -> bytes:
    parser.begin(bodiless=bodiless)
    for segment in segments:
        parser.feed(segment)
    return parser.take()


@st.composite
def segmented(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """A valid answer cut into segments anywhere, and the body it carries."""
    pieces = draw(bodies)
    body = b"".join(pieces)
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\nX-More: 2\r\n"]))
    extension = draw(st.sampled_from([b"", b";name=value"]))
    in_chunks = chunked_head() + b"".join(
        b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces
    )
    wire = interim + draw(
        st.sampled_from([answer(body), in_chunks + b"0\r\n" + trailers + b"\r\n"])
    )
    cuts = sorted(draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    edges = [0, *cuts, len(wire)]
    return [wire[a:b] for a, b in pairwise(edges)], body


@given(st.lists(segmented(), min_size=1, max_size=3))
def test_however_answers_are_cut_into_segments_their_bodies_are_the_same(
    exchanges: list[tuple[list[bytes], bytes]],
) -> None:
    parser = ReplyParser()
    for segments, body in exchanges:
        assert read(parser, *segments) == body
        assert parser.complete
        assert parser.keep_alive
        assert parser.status == 200
        assert b"x-sum" not in dict(parser.headers)


@given(st.lists(st.binary(max_size=200)))
def test_garbage_is_refused_or_waited_out_but_nothing_else_is_raised(data: list[bytes]) -> None:
    parser = ReplyParser()
    parser.begin(bodiless=False)
    try:
        for segment in data:
            parser.feed(segment)
    except ReplyInvalid:
        pass
    else:
        assert not parser.complete


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 000 Nothing\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        chunked_head() + b"nothex\r\n",
        chunked_head() + b"FFFFFFFFFFFFFFFFFF\r\n",
        chunked_head() + b"2\r\nabXX",
    ],
)
def test_what_is_not_an_answer_is_refused(wire: bytes) -> None:
    with pytest.raises(ReplyInvalid):
        read(ReplyParser(), wire)


@pytest.mark.parametrize("size", [1, 100, 5000, 10**6])
def test_a_head_beyond_the_limit_is_refused_however_it_comes(size: int) -> None:
    wire = b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT + b"\r\nContent-Length: 1\r\n\r\na"
    parser = ReplyParser()
    with pytest.raises(ReplyInvalid, match="65536 bytes"):
        read(parser, *(wire[at : at + size] for at in range(0, len(wire), size)))


def test_a_head_just_within_the_limit_is_taken_together_with_a_large_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nX: "
    wire = head + b"x" * (HEAD_LIMIT - len(head) - 4) + b"\r\n\r\n" + b"b" * 200000
    assert read(ReplyParser(), wire) == b"b" * 200000


def test_more_headers_than_the_limit_are_refused() -> None:
    fields = [(f"X-{n}", "y") for n in range(HEADER_COUNT_LIMIT)]
    with pytest.raises(ReplyInvalid, match="256 headers"):
        read(ReplyParser(), answer(headers=fields))


@pytest.mark.parametrize(
    "endless", [b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"]
)
def test_endless_interim_answers_are_refused(endless: bytes) -> None:
    parser = ReplyParser()
    with pytest.raises(ReplyInvalid):
        read(parser, *[endless] * (2 * HEAD_LIMIT // len(endless)))


@pytest.mark.parametrize("start", [b"5;", b"0\r\nX-Trailer: ", b"5;a="])
def test_endless_framing_around_no_body_is_refused(start: bytes) -> None:
    parser = ReplyParser()
    with pytest.raises(ReplyInvalid):
        read(parser, chunked_head() + start, *[b"x" * 1024] * 100)


def test_much_framing_around_much_body_is_fine() -> None:
    wire = b"".join(b"1;%b\r\nb\r\n" % (b"x" * 500) for _ in range(1000))
    parser = ReplyParser()
    body = read(parser, chunked_head(), *(wire[at : at + 4096] for at in range(0, len(wire), 4096)))
    assert body == b"b" * 1000


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    parser = ReplyParser()
    assert read(parser, b"HTTP/1.1 %d Nothing\r\n\r\n" % status) == b""
    assert parser.complete
    assert parser.keep_alive


@pytest.mark.parametrize(
    "wire", [answer(b"12345")[:-5], chunked_head(), b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_an_answer_to_head_is_complete_without_its_body_but_not_followed_by_another(
    wire: bytes,
) -> None:
    parser = ReplyParser()
    assert read(parser, wire, bodiless=True) == b""
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize(
    "extra", [b"x", b"HTTP/1.1 200 OK\r\n", answer(b"another"), chunk(b"late")]
)
@pytest.mark.parametrize("whole", [answer(b"body"), chunked(b"bo", b"dy")])
def test_bytes_past_the_end_leave_the_answer_whole_and_the_connection_unfit(
    whole: bytes, extra: bytes
) -> None:
    parser = ReplyParser()
    assert read(parser, whole + extra) == b"body"
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_a_body_of_unannounced_length_ends_with_the_connection(head: bytes) -> None:
    parser = ReplyParser()
    assert read(parser, head, b"some", b"thing") == b"something"
    assert not parser.complete
    parser.end()
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize(
    "wire", [answer(b"12345")[:-1], chunked(b"12345")[:-2], chunked_head(), b"HTTP/1.1 200 O", b""]
)
def test_an_answer_of_announced_length_does_not_end_with_the_connection(wire: bytes) -> None:
    parser = ReplyParser()
    read(parser, wire)
    parser.end()
    assert not parser.complete


def test_header_names_are_lowered_and_their_order_kept() -> None:
    parser = ReplyParser()
    read(parser, answer(headers=[("X-B", "1"), ("x-a", "2"), ("X-b", "3"), ("X-Empty", "")]))
    assert parser.headers == [
        (b"x-b", b"1"),
        (b"x-a", b"2"),
        (b"x-b", b"3"),
        (b"x-empty", b""),
        (b"content-length", b"0"),
    ]
