"""What is known of one request while it is served; read once, by the record of it, at the end."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Sequence
from typing import Any

from backends.base import Operation, Usage

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

MOST_IGNORED = 16
"""Names of ignored parameters that are reported for one request."""


class RequestIds:
    """Ids that are unique over all replicas and restarts: a random part for each process and a
    number for each request. They are no secret."""

    def __init__(self) -> None:
        self._process = "req_" + secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def next(self) -> str:
        """A new id."""
        return f"{self._process}{next(self._numbers):08x}"


class Exchange:
    """One request and its answer. Times are seconds of the monotonic clock.

    Fields that stay at their default cost nothing to make, which is why this is no dataclass.
    """

    traceparent: bytes | None = None
    authorization: bytes | None = None
    api_key: bytes | None = None
    content_length: bytes | None = None
    content_encoding: bytes | None = None
    asked_class: bytes | None = None
    asked_tenant: bytes | None = None
    asked_weight: bytes | None = None
    timeout_ms: bytes | None = None
    """The caller's explicit deadline for the whole answer."""
    read_timeout: bytes | None = None
    """Seconds without a byte after which its client library gives up."""
    retry_count: bytes | None = None
    """How often its client library has tried before."""

    tenant: str | None = None
    model: str | None = None
    """Set only when the name is one we offer: labels never hold what a client made up."""
    backend: str | None = None
    runner: str | None = None
    stream: bool = False
    attempts: int = 0
    ignored: tuple[str, ...] = ()
    clamped: tuple[str, ...] = ()
    """Wishes of the caller that its key does not entitle it to."""
    limit_lines: str = ""
    """Lines of the response head that say what is left of the caller's limits."""

    status: int = 0
    code: str | None = None
    """The error's code, when there was one."""
    queue_s: float = 0.0
    """How long it waited for its slot, over all attempts."""
    sent: float | None = None
    """When the runner that answers, or was about to, got it."""
    first_token: float | None = None
    last_token: float | None = None
    chunks: int = 0
    usage: Usage | None = None
    span: Any = None
    """The span of this request, where requests are traced."""

    def __init__(self, operation: Operation, started: float, own_id: str) -> None:
        self.operation = operation
        self.started = started
        self.own_id = own_id
        """Unique, whatever id the client chose."""
        self.request_id = own_id
        """The client's own id where it sent a sound one."""

    def read_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Keep the few request headers that mean something to us; none other is looked at."""
        for name, value in headers:
            field = _FIELDS.get(name)
            if field is not None:
                setattr(self, field, value)
            elif name == b"traceparent":
                if _TRACEPARENT.fullmatch(value):
                    self.traceparent = value
            elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                self.request_id = value.decode("ascii")

    def note_ignored(self, names: Sequence[str]) -> None:
        """Keep the names of parameters that the runner ignores, those fit for a header and a log.

        Some are made up by the caller, who may have put anything into them.
        """
        if not names:
            return
        fit = (name for name in names if _PARAMETER.fullmatch(name))
        self.ignored = tuple(itertools.islice(fit, MOST_IGNORED))

    def upstream_headers(self) -> bytes:
        """The header lines that a runner gets of this request.

        vLLM makes the id of its answer from `x-request-id` and needs it unique among the requests
        it has, which an id chosen by a client may not be.
        """
        line = f"x-request-id: {self.own_id}-{self.attempts}\r\n".encode("ascii")
        if self.traceparent is not None:
            line += b"traceparent: " + self.traceparent + b"\r\n"
        return line


_FIELDS = {
    b"authorization": "authorization",
    b"x-api-key": "api_key",
    b"api-key": "api_key",
    b"content-length": "content_length",
    b"content-encoding": "content_encoding",
    b"x-sluicegate-class": "asked_class",
    b"x-sluicegate-tenant": "asked_tenant",
    b"x-sluicegate-weight": "asked_weight",
    b"x-request-timeout-ms": "timeout_ms",
    b"x-stainless-read-timeout": "read_timeout",
    b"x-stainless-timeout": "read_timeout",
    b"x-stainless-retry-count": "retry_count",
}
"""Request headers whose value is kept as it came, and where."""
