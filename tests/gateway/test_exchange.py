"""What is taken from request headers, however hostile, and what of it goes on to a runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import Operation
from gateway.exchange import MOST_IGNORED, Exchange, RequestIds

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def exchange(*headers: tuple[bytes, bytes]) -> Exchange:
    made = Exchange(Operation.CHAT, 0.0, "req_own")
    made.read_headers(list(headers))
    return made


def test_the_headers_that_mean_something_are_kept() -> None:
    read = exchange(
        (b"host", b"x"),
        (b"authorization", b"Bearer k"),
        (b"content-length", b"12"),
        (b"content-encoding", b"gzip"),
        (b"traceparent", TRACE),
        (b"x-request-id", b"abc.DEF_1:2-3"),
        (b"cookie", b"ignored"),
    )
    assert read.authorization == b"Bearer k"
    assert read.content_length == b"12"
    assert read.content_encoding == b"gzip"
    assert read.traceparent == TRACE
    assert read.request_id == "abc.DEF_1:2-3"
    assert read.api_key is None


@pytest.mark.parametrize("name", [b"x-api-key", b"api-key"])
def test_a_key_may_come_in_either_header(name: bytes) -> None:
    assert exchange((name, b"k")).api_key == b"k"


def test_without_headers_it_has_an_id_of_ours() -> None:
    assert exchange().request_id == "req_own"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b" ",
        b"a b",
        b"a\r\nx-evil: 1",
        b"a\n",
        b"\x00",
        b"x" * 129,
        "ümlaut".encode(),
        b"\xff",
        b'"}{"',
        b"a/b",
        b"<script>",
    ],
)
def test_an_unsound_request_id_is_replaced_by_ours(hostile: bytes) -> None:
    assert exchange((b"x-request-id", hostile)).request_id == "req_own"


def test_the_longest_request_id_is_kept() -> None:
    assert exchange((b"x-request-id", b"x" * 128)).request_id == "x" * 128


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        TRACE[:-1],
        TRACE + b"0",
        TRACE + b"\n",
        TRACE.upper(),
        TRACE.replace(b"4b", b"zz"),
        b"ff" + TRACE[2:],
        TRACE + b"\r\nx-evil: 1",
    ],
)
def test_an_unsound_trace_is_dropped(hostile: bytes) -> None:
    assert exchange((b"traceparent", hostile)).traceparent is None


@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent"]), st.binary())))
def test_a_runner_gets_header_lines_that_hold_nothing_else(
    headers: list[tuple[bytes, bytes]],
) -> None:
    lines = exchange(*headers).upstream_headers()
    assert lines.endswith(b"\r\n")
    names = [line.partition(b": ")[0] for line in lines[:-2].split(b"\r\n")]
    assert names in ([b"x-request-id"], [b"x-request-id", b"traceparent"])
    assert lines.isascii()


def test_a_runner_gets_a_new_id_for_each_attempt_whatever_the_client_chose() -> None:
    read = exchange((b"x-request-id", b"always-the-same"), (b"traceparent", TRACE))
    read.attempts = 1
    first = read.upstream_headers()
    read.attempts = 2
    assert first == b"x-request-id: req_own-1\r\ntraceparent: " + TRACE + b"\r\n"
    assert read.upstream_headers() != first


def test_our_ids_are_unique_over_processes_and_requests() -> None:
    one, other = RequestIds(), RequestIds()
    ids = [ids.next() for ids in (one, other) for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    assert all(exchange((b"x-request-id", made.encode())).request_id == made for made in ids)


def test_names_of_ignored_parameters_are_kept() -> None:
    made = exchange()
    made.note_ignored(("logit_bias", "top-k"))
    assert made.ignored == ("logit_bias", "top-k")


@pytest.mark.parametrize(
    "hostile",
    ["", "naïve", "a b", "a\r\nset-cookie: x", "x" * 65, "Dear model, my secret is", "\ud800"],
)
def test_what_a_caller_hid_in_the_name_of_a_parameter_goes_nowhere(hostile: str) -> None:
    made = exchange()
    made.note_ignored((hostile, "seed"))
    assert made.ignored == ("seed",)


def test_only_so_many_ignored_parameters_are_reported() -> None:
    made = exchange()
    made.note_ignored(f"p{number}" for number in range(10_000))
    assert len(made.ignored) == MOST_IGNORED
