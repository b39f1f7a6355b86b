"""A message head that came before on the same connection, and comes again but for its length.

API clients keep their connection and send the same head with every request; only content-length
differs. So do runners with their answers. Such a head need not be parsed again, which is most of
the work of receiving a message: between two heads that have every byte in common but the digits of
one content-length, a parser can find no other difference.
"""

from __future__ import annotations

import re

Headers = list[tuple[bytes, bytes]]
"""In the order they came, names in lower case."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,10})\r\n", re.IGNORECASE)
_MORE_THAN_LENGTH = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
_MOST_DIGITS = 10
_HEAD_LIMIT = 64 * 1024


class KnownHead:
    """One head whose body is as long as its content-length says. Immutable."""

    __slots__ = ("_after", "_before", "_headers", "_length_at")

    def __init__(self, before: bytes, after: bytes, headers: Headers, length_at: int) -> None:
        self._before = before
        """Every byte up to the digits of content-length."""
        self._after = after
        """Every byte from there to the blank line, included."""
        self._headers = headers
        self._length_at = length_at
        """Where `headers` have content-length."""

    @classmethod
    def learn(cls, data: bytes, headers: Headers) -> KnownHead | None:
        """Keep the head that `data` begins with, in which a parser has found `headers`.

        None for one that says more of its body than one content-length. That the message is
        HTTP/1.1, that it may have a body and that the connection is kept, is for the caller to
        know: it holds for all with this head.
        """
        end = data.find(b"\r\n\r\n", 0, _HEAD_LIMIT) + 4
        length = _LENGTH.search(data, 0, end)
        names = [name for name, _ in headers]
        if (
            length is None
            or names.count(b"content-length") != 1
            or not _MORE_THAN_LENGTH.isdisjoint(names)
            # Else there is a line end that is none to us, or a header that is none to the parser.
            or data.count(b"\n", 0, end) != len(headers) + 2
            or data.count(b"\r", 0, end) != len(headers) + 2
        ):
            return None
        at = names.index(b"content-length")
        if headers[at][1] != length[1]:
            return None
        return cls(data[: length.start(1)], data[length.end(1) : end], headers.copy(), at)

    def match(self, data: bytes) -> tuple[Headers, int, int] | None:
        """The headers of the message that `data` begins with, where its body begins, and how long
        that is. None if `data` begins with any other head, or with a part of one."""
        before = self._before
        if not data.startswith(before):
            return None
        begin = len(before)
        end = data.find(b"\r", begin, begin + _MOST_DIGITS + 1)
        digits = data[begin:end]
        after = self._after
        if not digits.isdigit() or not data.startswith(after, end):
            return None
        headers = self._headers.copy()
        headers[self._length_at] = (b"content-length", digits)
        return headers, end + len(after), int(digits)
