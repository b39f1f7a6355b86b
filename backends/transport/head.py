"""The fixed part of a request head: checked and put together once, sent many times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backends.transport.address import Address

Header = tuple[str, str]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[!-\"$-~]*")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OURS = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})
"""Headers that say how bytes travel, which is not the caller's to choose."""


def request_head(address: Address, method: str, path: str, headers: Sequence[Header] = ()) -> bytes:
    """Build the request line and every header known beforehand, each ended by CRLF.

    Raises `ValueError` when a part holds what would let it say more than it should (CR, LF, NUL,
    spaces in the path), or names a header that the transport sets itself. A `host` or
    `authorization` among `headers` takes the place of the url's.
    """
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"method {method!r} is not an HTTP method")
    target = address.base_path + path
    if not _PATH.fullmatch(path) or not _PATH.fullmatch(target):
        raise ValueError(f"path {target!r} must begin with '/' and be percent-encoded")
    given = {name.lower() for name, _ in headers}
    fixed = [("host", address.authority), ("accept-encoding", "identity")]
    if address.authorization is not None:
        fixed.append(("authorization", address.authorization))
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fixed if name not in given]
    lines += [_line(name, value) for name, value in headers]
    return "".join(line + "\r\n" for line in lines).encode("latin-1")


def _line(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} is not valid")
    if name.lower() in _OURS:
        raise ValueError(f"header {name!r} is set by the transport; leave it out")
    if not _VALUE.fullmatch(value):
        # The value itself may be a secret.
        raise ValueError(f"value of header {name!r} holds a control or non-Latin-1 character")
    return f"{name}: {value}"
