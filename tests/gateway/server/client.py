"""Requests as bytes, and the end that a connection has when one was refused."""

from __future__ import annotations

import json

from gateway.server.limits import ConnectionLimits
from tests.gateway.serving import Answer, Wire

QUICK = ConnectionLimits(head_s=0.15, connections=100, idle_s=0.5, linger_s=0.3)
CHUNKED = b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def post(body: bytes, path: bytes = b"/p", more: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n"
    return head % (path, more, len(body)) + body


GET = b"GET /g HTTP/1.1\r\nhost: x\r\n\r\n"


def error_of(answer: Answer) -> dict[str, str | None]:
    assert answer.headers[b"content-type"] == b"application/json"
    error: dict[str, str | None] = json.loads(answer.body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


async def refused(wire: Wire, status: int, code: str) -> str:
    """The connection ends with this error, in the shape that API clients read."""
    answer = await wire.answer()
    assert answer.status == status
    assert answer.headers[b"connection"] == b"close"
    error = error_of(answer)
    assert error["code"] == code
    assert await wire.closed() == b""
    return str(error["message"])
