from __future__ import annotations

import pytest

from backends.transport.address import Address
from backends.transport.head import request_head

BOX = Address.parse("http://box:1/base")


def test_a_head_lacks_only_the_length_and_the_blank_line() -> None:
    head = request_head(BOX, "POST", "/v1/x", [("Content-Type", "application/json")])
    assert head == (
        b"POST /base/v1/x HTTP/1.1\r\n"
        b"host: box:1\r\n"
        b"accept-encoding: identity\r\n"
        b"Content-Type: application/json\r\n"
    )


def test_the_urls_credentials_are_sent() -> None:
    head = request_head(Address.parse("http://me:pw@box"), "GET", "/")
    assert b"authorization: Basic bWU6cHc=\r\n" in head


@pytest.mark.parametrize("name", ["Host", "Authorization"])
def test_a_given_host_or_authorization_takes_the_place_of_the_urls(name: str) -> None:
    head = request_head(Address.parse("http://me:pw@box"), "GET", "/", [(name, "mine")])
    assert head.lower().count(name.lower().encode() + b":") == 1
    assert f"{name}: mine\r\n".encode() in head


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET /\r\nX: y", "/", []),
        ("", "/", []),
        ("GET", "/a b", []),
        ("GET", "/a\r\nX: y", []),
        ("GET", "/a\0", []),
        ("GET", "/ä", []),
        ("GET", "/", [("X\r\nY", "z")]),
        ("GET", "/", [("X Y", "z")]),
        ("GET", "/", [("", "z")]),
        ("GET", "/", [("X", "a\r\nY: z")]),
        ("GET", "/", [("X", "a\nb")]),
        ("GET", "/", [("X", "a\0b")]),
        ("GET", "/", [("X", "日本")]),
        ("GET", "/", [("Content-Length", "5")]),
        ("GET", "/", [("transfer-encoding", "chunked")]),
        ("GET", "/", [("Connection", "close")]),
        ("GET", "/", [("Accept-Encoding", "gzip")]),
    ],
)
def test_nothing_that_says_more_than_it_should_gets_into_a_head(
    method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError, match=r"method|path|header"):
        request_head(BOX, method, path, headers)


def test_a_refused_header_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError, match="authorization") as refused:
        request_head(BOX, "GET", "/", [("authorization", "Bearer sk-secret\n")])
    assert "sk-secret" not in str(refused.value)


def test_a_path_that_does_not_begin_with_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with '/'"):
        request_head(BOX, "GET", "x")
