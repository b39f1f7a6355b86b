"""A request head that came before on the same connection, and comes again but for its length.

API clients keep their connection and send the same head with every request; only content-length
differs. Such a head need not be parsed again, which is most of the work of receiving a request:
between two heads that have every byte in common but the digits of one content-length, a parser can
find no other difference.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.server.limits import MAX_HEAD_BYTES

_LENGTH = re.compile(rb"\r\n(content-length):[ \t]*(\d{1,10})\r\n", re.IGNORECASE)
_MORE_THAN_LENGTH = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
_MOST_DIGITS = 10


class KnownHead:
    """One head, and the ASGI scope that it makes."""

    __slots__ = ("_after", "_before", "_length_at", "_scope")

    def __init__(self, before: bytes, after: bytes, scope: dict[str, Any], length_at: int) -> None:
        self._scope = scope
        self._before = before
        """Every byte up to the digits of content-length."""
        self._after = after
        """Every byte from there to the blank line, included."""
        self._length_at = length_at
        """Where the headers of the scope have content-length."""

    @classmethod
    def learn(cls, data: bytes, scope: dict[str, Any]) -> KnownHead | None:
        """Keep the head that `data` begins with, of which a parser has made `scope`, which is kept
        too. None for one whose body depends on more than one content-length."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        names = [name for name, _ in headers]
        length = _LENGTH.search(data, 0, end)
        if (
            length is None
            or names.count(b"content-length") != 1
            or not _MORE_THAN_LENGTH.isdisjoint(names)
            or scope["method"] != "POST"
            or scope["http_version"] != "1.1"
            # Else there is a line end that is none to us, or a header that is none to the parser.
            or data.count(b"\n", 0, end) != len(headers) + 2
            or data.count(b"\r", 0, end) != len(headers) + 2
        ):
            return None
        at = names.index(b"content-length")
        if headers[at][1] != length[2]:
            return None
        return cls(data[: length.start(2)], data[length.end(2) : end], scope, at)

    def match(self, data: bytes) -> tuple[dict[str, Any], int, int] | None:
        """The scope of a request whose head this is, where in `data` its body begins, and how long
        that is; None if `data` begins with any other head, or with a part of one."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        begin = len(before)
        end = data.find(b"\r", begin, begin + _MOST_DIGITS + 1)
        digits = data[begin:end]
        if not digits.isdigit() or not data.startswith(after, end):
            return None
        scope = self._scope.copy()
        headers = scope["headers"] = scope["headers"].copy()
        headers[self._length_at] = (b"content-length", digits)
        return scope, end + len(after), int(digits)
