"""From the bytes of a client to requests: `httptools`, and the bounds that it leaves open."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from backends.transport.known_head import Headers, KnownHead
from gateway.server import refusal
from gateway.server.limits import MAX_HEAD_BYTES


class RequestSink(Protocol):
    """Is told what was parsed."""

    def request_begins(
        self, scope: dict[str, Any], *, keep_alive: bool, continue_expected: bool
    ) -> None:
        """A head is complete. `scope` is the ASGI scope that it makes."""
        ...

    def whole_request(self, scope: dict[str, Any], body: bytes) -> None:
        """A request has come with all its body, and the connection is kept after it."""
        ...

    def request_body(self, data: bytes) -> None:
        """A piece of its body."""
        ...

    def request_ends(self) -> None:
        """Its body is complete."""
        ...


class _HeadTooLarge(Exception):
    """Raised in a callback of the parser, which makes an error of its own of it."""


_MOST_LEARNT = 4
"""A client whose head has changed so often will change it again: knowing it is of no use."""


class RequestParser:
    """Parses the requests of one connection, one after the other.

    `base` is the part of every ASGI scope that the connection makes.
    """

    def __init__(self, sink: RequestSink, base: dict[str, Any]) -> None:
        self.in_head = False
        """Whether a head was begun and is not complete."""
        self.fresh_head = False
        """Whether the last `feed` brought the first bytes of it."""
        self._sink = sink
        self._base = base
        self._parser: Any = httptools.HttpRequestParser(self)
        self._in_body = False
        self._resuming = False
        self._unbounded = 0
        """Bytes since the last request or piece of a body: a head, or trailers."""
        self._url = b""
        self._headers: Headers = []
        self._continue_expected = False
        self._known: KnownHead | None = None
        self._known_scope: dict[str, Any] = {}
        self._known_rest = 0
        """Bytes that are missing of the body of a request whose head was known."""
        self._learnt = 0
        self._new: dict[str, Any] | None = None
        """The scope of the first head of this `feed`, if it is worth knowing."""

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises `GatewayError` when they are no request, or one without an end."""
        known = self._known
        if self._known_rest:
            data = self._rest_of_body(data)
        elif known is not None and not self._in_body and not self.in_head:
            match = known.match(data)
            if match is not None:
                data = self._known_request(data, *match)
        if data:
            self._feed_parser(data)

    def _known_request(self, data: bytes, headers: Headers, at: int, length: int) -> bytes:
        """Serve the request that `data` begins with; returns what comes after it."""
        scope = self._known_scope.copy()
        scope["headers"] = headers
        if len(data) == at + length:
            self._sink.whole_request(scope, data[at:])
            return b""
        self._sink.request_begins(scope, keep_alive=True, continue_expected=False)
        self._known_rest = length
        return self._rest_of_body(data[at:])

    def _rest_of_body(self, data: bytes) -> bytes:
        """Take what `data` has of the body; returns what comes after it."""
        rest = self._known_rest
        self._known_rest = max(0, rest - len(data))
        if data and rest:
            self._sink.request_body(data[:rest])
        if not self._known_rest:
            self._sink.request_ends()
        return data[rest:]

    def _feed_parser(self, data: bytes) -> None:
        begins = not self._in_body and not self.in_head
        if not self._in_body:
            if not self.in_head:
                data = data.lstrip(b"\r\n")  # some clients end a body with a stray line end
                if not data:
                    return
            self.fresh_head = not self.in_head
            self.in_head = True
        self._unbounded += len(data)
        self._new = None
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLarge):
                raise refusal.head_too_large() from error
            raise refusal.not_http() from error
        if self._unbounded > MAX_HEAD_BYTES and (self.in_head or self._in_body):
            raise refusal.head_too_large()
        if begins and self._new is not None and self._learnt < _MOST_LEARNT:
            self._learnt += 1
            known = KnownHead.learn(data, self._new["headers"])
            if known is not None:
                self._known, self._known_scope = known, self._new

    def close(self) -> None:
        """Let go of llhttp, whose callbacks tie it and this object into a cycle. Nothing may be fed
        to it any more."""
        self._parser = None

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if not self._resuming:
            self._headers = []
            self._url = b""
            self._continue_expected = False

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are dropped."""
        if self._in_body:
            return
        name = name.lower()
        if name == b"expect":
            self._continue_expected = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: the request can be served while its body still comes."""
        if self._resuming:
            return
        if self._unbounded > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            raise _HeadTooLarge
        self.in_head = False
        self._in_body = True
        self._unbounded = 0
        parser = self._parser
        target = self._url
        query = b""
        # Not `in`, which makes and drops an exception where it looks for a byte.
        if target[:1] != b"/" or target.find(b"?") >= 0 or target.find(b"#") >= 0:
            url = httptools.parse_url(target)
            target, query = url.path or b"/", url.query or b""
        path = target.decode("ascii")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise ValueError(version)
        scope = {
            **self._base,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": target,
            "query_string": query,
            "headers": self._headers,
        }
        keep_alive = version == "1.1" and parser.should_keep_alive()
        if keep_alive and self._new is None and scope["method"] == "POST":
            # A copy, because it is the application's to change.
            self._new = {**scope, "headers": self._headers.copy()}
        self._sink.request_begins(
            scope, keep_alive=keep_alive, continue_expected=self._continue_expected
        )

    def on_body(self, body: bytes) -> None:
        """A piece of a request body."""
        self._unbounded = 0
        self._sink.request_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if self._parser.should_upgrade() and not self._resuming:
            return  # of its head only: see `_without_upgrade`
        self._resuming = False
        self._in_body = False
        self._unbounded = 0
        self._sink.request_ends()

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            else:
                return

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Serve a request that asked for another protocol as if it had not (RFC 9110 section 7.8).

        The parser takes all that follows such a head for the other protocol. So a new one is told
        what the head says of the body, and goes on with that.
        """
        framing = [
            b"%s: %s\r\n" % header
            for header in self._headers
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        self._parser = httptools.HttpRequestParser(self)
        self._resuming = True
        return b"POST / HTTP/1.1\r\n%s\r\n%s" % (b"".join(framing), rest)

    def _size_of_head(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)
