"""Bytes of a runner's answer in, head and body out. Sans-I/O; bounds what the answer may cost.

One parser serves every answer of a connection, one after the other: `begin`, `feed` until
`complete`, `begin` again. The grammar is llhttp's, in its strict mode.
"""

from __future__ import annotations

import httptools

from backends.errors import ReplyInvalid
from backends.transport.known_head import Headers, KnownHead

HEAD_LIMIT = 64 * 1024
"""Bytes of head, and of framing between two pieces of body (trailers, chunk extensions)."""
HEADER_COUNT_LIMIT = 256

_MOST_LEARNT = 4
"""Heads that are learnt in vain before we stop: that runner never sends the same one again."""


class ReplyParser:
    """State of the answer being read.

    `parts` are the pieces of body not taken yet, `buffered` their bytes. `complete` is true before
    the first `begin` too: no answer is expected, so any byte is one too many.
    """

    __slots__ = (
        "_bodiless",
        "_framing",
        "_http",
        "_interim",
        "_known",
        "_learnt",
        "_untouched",
        "buffered",
        "complete",
        "head_complete",
        "headers",
        "keep_alive",
        "parts",
        "status",
    )

    def __init__(self) -> None:
        self._http = httptools.HttpResponseParser(self)
        self._bodiless = False
        self._interim = False
        self._framing = 0
        self._known: KnownHead | None = None
        """The head of the last answer with status 200 that came in one piece."""
        self._learnt = 0
        self._untouched = False
        """Whether nothing of the answer has come."""
        self.status = 0
        self.headers: Headers = []
        self.parts: list[bytes] = []
        self.buffered = 0
        self.head_complete = True
        self.complete = True
        self.keep_alive = True

    def begin(self, *, bodiless: bool) -> None:
        """Expect the answer to a request; `bodiless` when that was HEAD."""
        self._bodiless = bodiless
        self._untouched = not bodiless
        self._framing = 0
        self.headers = []
        self.parts = []
        self.buffered = 0
        self.head_complete = False
        self.complete = False

    def feed(self, data: bytes) -> None:
        """Read on. Raises `ReplyInvalid` when this is no HTTP answer or costs too much.

        Bytes past the end are no fault of the answer, which is whole; they clear `keep_alive`.
        """
        if not self._untouched:
            self._feed(data)
        elif self._known is None or not self._recognise(self._known, data):
            self._untouched = False
            self._feed(data)
            if self.complete and self.keep_alive and self.status == 200:
                self._learn(data)

    def _recognise(self, known: KnownHead, data: bytes) -> bool:
        """Take an answer that came in one piece and has a known head."""
        match = known.match(data)
        if match is None:
            return False
        headers, at, length = match
        if len(data) != at + length:
            return False
        self._learnt = 0
        self._untouched = False
        self.status = 200
        self.headers = headers
        self.head_complete = self.complete = self.keep_alive = True
        if length:
            self.parts.append(data[at:])
            self.buffered = length
        return True

    def _learn(self, data: bytes) -> None:
        if self._learnt < _MOST_LEARNT:
            self._learnt += 1
            self._known = KnownHead.learn(data, self.headers)

    def _feed(self, data: bytes) -> None:
        if not self.head_complete:
            room = HEAD_LIMIT - self._framing
            if len(data) > room:
                self._parse(data[:room])
                if not self.head_complete:
                    raise ReplyInvalid(f"a response head of more than {HEAD_LIMIT} bytes")
                data = data[room:]
        self._parse(data)
        if self._framing > HEAD_LIMIT:
            raise ReplyInvalid(f"more than {HEAD_LIMIT} bytes of framing around nothing")

    def end(self) -> None:
        """The peer has closed its side: the proper end of a body that announced none."""
        if self.head_complete and self._until_close():
            self.complete = True

    def take(self) -> bytes:
        """All body bytes that are here now."""
        parts = self.parts
        if not parts:
            return b""
        self.parts = []
        self.buffered = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of llhttp, whose callbacks tie it and this object into a cycle."""
        del self._http

    def _parse(self, data: bytes) -> None:
        before = self.buffered
        try:
            self._http.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.keep_alive = False
            if self.complete:
                return
            if isinstance(exc.__context__, ReplyInvalid):
                raise exc.__context__ from None
            raise ReplyInvalid(f"what is not an HTTP/1.1 answer: {exc}") from exc
        if self.buffered == before and not self.complete:
            self._framing += len(data)
        else:
            self._framing = 0

    def _until_close(self) -> bool:
        names = {name for name, _ in self.headers}
        if b"transfer-encoding" in names:
            codings = b",".join(v for n, v in self.headers if n == b"transfer-encoding")
            return not codings.lower().rstrip().endswith(b"chunked")
        return b"content-length" not in names

    # Called by httptools.

    def on_message_begin(self) -> None:
        if self.complete:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._http.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise ReplyInvalid(f"status {status}, which nothing in the request asked for")
            self._interim = True
            self.headers = []
            return
        headers = self.headers
        if len(headers) > HEADER_COUNT_LIMIT:
            raise ReplyInvalid(f"more than {HEADER_COUNT_LIMIT} headers")
        self.status = status
        self.head_complete = True
        self.keep_alive = self._http.should_keep_alive()
        if self._bodiless:
            # llhttp cannot be told, and waits for the body that content-length speaks of.
            self.complete = True
            self.keep_alive = False

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.parts.append(data)
            self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self.complete = True
