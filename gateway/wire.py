"""Turn our errors into the OpenAI error object. Nowhere else is one built."""

from __future__ import annotations

import math

import msgspec

from gateway.errors import GatewayError, MethodNotAllowed, RateLimited


def error_object(
    message: str, *, type: str, param: str | None = None, code: str | None = None
) -> dict[str, dict[str, str | None]]:
    """The error object with its four keys, which client libraries expect to be all there."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def error_body(error: GatewayError) -> bytes:
    """The body of an error answer."""
    return msgspec.json.encode(
        error_object(error.message, type=error.type, param=error.param, code=error.code)
    )


def error_headers(error: GatewayError, body: bytes) -> list[tuple[bytes, bytes]]:
    """Headers of an error answer: what it is, and when to come back."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(error.retry_after_s * 1000)))
    elif error.status == 504:
        # The runner is still slow: the same work again would only make it slower.
        headers.append((b"x-should-retry", b"false"))
    if isinstance(error, RateLimited):
        headers.extend(error.headers)
        if error.retry_after_s is None:
            # Client libraries retry a 429 unless told not to, and this one would take hours.
            headers.append((b"x-should-retry", b"false"))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allowed).encode("ascii")))
    if error.close:
        headers.append((b"connection", b"close"))
    return headers
