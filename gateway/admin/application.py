"""The application of the admin listener: one page, one token, and no word to anybody without it."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from gateway.admin.state import PATH
from gateway.errors import GatewayError, InvalidRequest, MethodNotAllowed
from gateway.wire import error_body, error_headers

logger = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]
_HEADERS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class NoAdmin(GatewayError):
    """No token, or not the one. One message for all, so that nothing can be learnt from it."""

    def __init__(self) -> None:
        super().__init__(
            "Incorrect or missing admin token. Send it as 'Authorization: Bearer <token>'.",
            status=401,
            type="invalid_request_error",
            code="invalid_admin_token",
        )


class AdminApplication:
    """Serves what `state` yields. The token is kept as a hash and compared in constant time."""

    def __init__(self, state: Callable[[], Awaitable[bytes]], *, token: str) -> None:
        self._state = state
        self._token = _hash(token.encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Cancelling it gives up the look."""
        try:
            self._check(scope)
            status, body = 200, await self._state()
            headers: Headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ]
        except GatewayError as error:
            status, body = error.status, error_body(error)
            headers = error_headers(error, body)
        except Exception:
            logger.exception("the admin listener failed")
            failure = GatewayError(
                "The gateway failed; its log says more.",
                status=500,
                type="server_error",
                code="internal_error",
            )
            status, body = failure.status, error_body(failure)
            headers = error_headers(failure, body)
        await send({"type": "http.response.start", "status": status, "headers": headers + _HEADERS})
        await send({"type": "http.response.body", "body": body})

    def _check(self, scope: Scope) -> None:
        """Raises `GatewayError`. The token goes first: without it, not even paths are told."""
        if not hmac.compare_digest(_hash(_presented(scope)), self._token):
            raise NoAdmin
        method, path = scope["method"], scope["path"][:200]
        if path != PATH:
            raise InvalidRequest(
                f"Unknown path {method} {path}. Here is only {PATH}.",
                status=404,
                code="unknown_path",
            )
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(method, path, ("GET", "HEAD"))


def _presented(scope: Scope) -> bytes:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return b""
    scheme, _, token = given[0].partition(b" ")
    return bytes(token.strip()) if scheme.lower() == b"bearer" else b""


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
