"""What is known of one request while it is served; read once, by the record of it, at the end."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from backends.base import Operation, Usage

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Exchange:
    """One request and its answer. Times are seconds of the monotonic clock."""

    operation: Operation
    started: float
    request_id: str = ""
    traceparent: bytes | None = None
    authorization: bytes | None = None
    api_key: bytes | None = None
    content_length: bytes | None = None
    content_encoding: bytes | None = None

    tenant: str | None = None
    model: str | None = None
    """Set only when the name is one we offer: labels never hold what a client made up."""
    backend: str | None = None
    runner: str | None = None
    stream: bool = False
    attempts: int = 0
    ignored: tuple[str, ...] = ()

    status: int = 0
    code: str | None = None
    """The error's code, when there was one."""
    queue_s: float | None = None
    """How long it waited for its slot; None before it had one."""
    first_token: float | None = None
    last_token: float | None = None
    chunks: int = 0
    usage: Usage | None = None

    def read_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Keep the few request headers that mean something to us; none other is looked at."""
        for name, value in headers:
            if name == b"authorization":
                self.authorization = value
            elif name == b"x-api-key" or name == b"api-key":
                self.api_key = value
            elif name == b"content-length":
                self.content_length = value
            elif name == b"content-encoding":
                self.content_encoding = value
            elif name == b"traceparent":
                if _TRACEPARENT.fullmatch(value):
                    self.traceparent = value
            elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                self.request_id = value.decode("ascii")
        if not self.request_id:
            self.request_id = "req_" + secrets.token_hex(12)

    def upstream_headers(self) -> bytes:
        """The header lines that a runner gets of this request.

        vLLM makes the id of its answer from `x-request-id` and needs it unique, which an id chosen
        by a client may not be: so each attempt has a suffix of its own.
        """
        line = f"x-request-id: {self.request_id}-{secrets.token_hex(3)}\r\n".encode("ascii")
        if self.traceparent is not None:
            line += b"traceparent: " + self.traceparent + b"\r\n"
        return line
