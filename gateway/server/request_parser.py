"""From the bytes of a client to requests: `httptools`, and the bounds that it leaves open."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from gateway.server import refusal
from gateway.server.limits import MAX_HEAD_BYTES

Headers = list[tuple[bytes, bytes]]


class RequestSink(Protocol):
    """Is told what was parsed."""

    def request_begins(
        self, request: dict[str, Any], *, keep_alive: bool, continue_expected: bool
    ) -> None:
        """A head is complete. `request` is the part of an ASGI scope that it makes."""
        ...

    def request_body(self, data: bytes) -> None:
        """A piece of its body."""
        ...

    def request_ends(self) -> None:
        """Its body is complete."""
        ...


class _HeadTooLarge(Exception):
    """Raised in a callback of the parser, which makes an error of its own of it."""


class RequestParser:
    """Parses the requests of one connection, one after the other."""

    def __init__(self, sink: RequestSink) -> None:
        self.in_head = False
        """Whether a head was begun and is not complete."""
        self.fresh_head = False
        """Whether the last `feed` brought the first bytes of it."""
        self._sink = sink
        self._parser: Any = httptools.HttpRequestParser(self)
        self._in_body = False
        self._resuming = False
        self._unbounded = 0
        """Bytes since the last request or piece of a body: a head, or trailers."""
        self._url = b""
        self._headers: Headers = []
        self._continue_expected = False

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises `GatewayError` when they are no request, or one without an end."""
        if not self._in_body:
            if not self.in_head:
                data = data.lstrip(b"\r\n")  # some clients end a body with a stray line end
                if not data:
                    return
            self.fresh_head = not self.in_head
            self.in_head = True
        self._unbounded += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLarge):
                raise refusal.head_too_large() from error
            raise refusal.not_http() from error
        if self._unbounded > MAX_HEAD_BYTES and (self.in_head or self._in_body):
            raise refusal.head_too_large()

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
        if target[:1] != b"/" or b"?" in target or b"#" in target:
            url = httptools.parse_url(target)
            target, query = url.path or b"/", url.query or b""
        path = target.decode("ascii")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise ValueError(version)
        self._sink.request_begins(
            {
                "http_version": version,
                "method": parser.get_method().decode("ascii"),
                "path": unquote(path) if "%" in path else path,
                "raw_path": target,
                "query_string": query,
                "headers": self._headers,
            },
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            continue_expected=self._continue_expected,
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
