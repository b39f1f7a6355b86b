"""What a client is told whose bytes never become a request: the same shape as every other error."""

from __future__ import annotations

from gateway.errors import GatewayError, InvalidRequest, Unavailable
from gateway.server.cycle import STATUS_LINES
from gateway.server.limits import MAX_HEAD_BYTES
from gateway.wire import error_body, error_headers


def whole_response(error: GatewayError) -> bytes:
    """Head and body of an answer after which the connection is closed."""
    error.close = True
    body = error_body(error)
    lines = [STATUS_LINES[error.status]]
    for name, value in error_headers(error, body):
        lines += (name, b": ", value, b"\r\n")
    return b"".join([*lines, b"\r\n", body])


def too_many_connections(limit: int) -> GatewayError:
    """503: the limit of `server.max_connections` is reached."""
    return Unavailable(
        f"The gateway holds {limit} connections (server.max_connections) and takes no more now.",
        code="too_many_connections",
        retry_after_s=1.0,
    )


def not_http() -> GatewayError:
    """400: it cannot be parsed."""
    return InvalidRequest("This is not a valid HTTP/1.1 request.", code="invalid_http")


def head_too_large() -> GatewayError:
    """431: the head, or the trailers, exceed their bound."""
    return InvalidRequest(
        f"The request head is larger than {MAX_HEAD_BYTES >> 10} KB.",
        code="headers_too_large",
        status=431,
    )


def head_too_late(limit_s: float) -> GatewayError:
    """408: the head was begun and not finished."""
    return InvalidRequest(
        f"The request head did not arrive within {limit_s:g} s.",
        code="request_timeout",
        status=408,
    )


def failed_inside() -> GatewayError:
    """500: a fault of ours."""
    return GatewayError(
        "The gateway failed; its log says more.",
        status=500,
        type="server_error",
        code="internal_error",
    )
