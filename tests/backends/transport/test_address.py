from __future__ import annotations

import pytest

from backends.transport import Transport
from backends.transport.address import Address


@pytest.mark.parametrize(
    ("url", "shown", "host", "port", "authority", "base_path"),
    [
        ("http://127.0.0.1:9931", "http://127.0.0.1:9931", "127.0.0.1", 9931, "127.0.0.1:9931", ""),
        ("http://Box", "http://box", "box", 80, "box", ""),
        ("https://box/", "https://box", "box", 443, "box", ""),
        ("https://box:8443/v1/", "https://box:8443/v1", "box", 8443, "box:8443", "/v1"),
        ("http://[::1]:80/a", "http://[::1]:80/a", "::1", 80, "[::1]:80", "/a"),
        ("http://[fe80::1%25eth0]:1", "http://[fe80::1]:1", "fe80::1%25eth0", 1, "[fe80::1]:1", ""),
        ("http://bücher", "http://xn--bcher-kva", "bücher", 80, "xn--bcher-kva", ""),
    ],
)
def test_a_url_is_taken_apart(
    url: str, shown: str, host: str, port: int, authority: str, base_path: str
) -> None:
    address = Address.parse(url)
    assert (address.url, address.host, address.port) == (shown, host, port)
    assert (address.authority, address.base_path) == (authority, base_path)
    assert address.tls == url.startswith("https")
    assert address.authorization is None


def test_credentials_become_a_header_and_are_never_shown() -> None:
    address = Address.parse("http://me:p%40ss@box:1/v1")
    assert address.authorization == "Basic bWU6cEBzcw=="
    assert address.url == "http://box:1/v1"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("box:9931", "must begin with http:// or https://"),
        ("ftp://box", "must begin with http:// or https://"),
        ("http://", "names no host"),
        ("http://box:port", "no valid port"),
        ("http://box:70000", "no valid port"),
        ("http://box:0", "no valid port"),
        ("http://me:secret", "no valid port"),
        ("http://box/v1?key=secret", "no '\\?' or '#'"),
        ("http://box/v1#part", "no '\\?' or '#'"),
        ("http://box/a b", "percent-encode it"),
        ("http://bo\r\nx/", "control character"),
        ("http://box/ä", "percent-encoded"),
    ],
)
def test_a_bad_url_is_refused_with_what_is_wrong(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        Transport(url)
    assert "secret" not in str(refused.value)
