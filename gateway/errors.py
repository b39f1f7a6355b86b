"""What the gateway tells a caller when it cannot answer: one class, one place for each kind.

Only `gateway.wire` turns these into bytes. `status` is for the caller and the metrics, `type`
and `code` are the words of the OpenAI error object.
"""

from __future__ import annotations

from collections.abc import Sequence


class GatewayError(Exception):
    """A request that ends without an answer, in the caller's terms.

    `retry_after_s` is set where waiting helps. `close` asks for the connection to be closed
    because the rest of the request was not read.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.close = close


class InvalidRequest(GatewayError):
    """The request is wrong in itself; the message says what would be right."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = "invalid_value",
        status: int = 400,
        close: bool = False,
    ) -> None:
        super().__init__(
            message,
            status=status,
            type="invalid_request_error",
            code=code,
            param=param,
            close=close,
        )


class Unauthenticated(GatewayError):
    """No key, or not one we know. One message for all, so that nothing can be learnt from it."""

    def __init__(self) -> None:
        super().__init__(
            "Incorrect or missing API key. Send it as 'Authorization: Bearer <key>'.",
            status=401,
            type="invalid_request_error",
            code="invalid_api_key",
        )


class MethodNotAllowed(InvalidRequest):
    """The path exists, but not with this method; `allowed` are those it has."""

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        right = " or ".join(self.allowed)
        super().__init__(
            f"Method {method} is not allowed for {path}; use {right}.",
            status=405,
            code="method_not_allowed",
        )


class ModelNotFound(GatewayError):
    """No model of that name is offered."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            status=404,
            type="invalid_request_error",
            code="model_not_found",
            param="model",
        )


class RateLimited(GatewayError):
    """The caller, its tenant or the model has used up a limit.

    `retry_after_s` is None where it would be too long to wait for. `headers` say what is left,
    `bucket` which limit it was, as a bounded name.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None,
        headers: Sequence[tuple[bytes, bytes]],
        bucket: str,
    ) -> None:
        self.headers = headers
        self.bucket = bucket
        super().__init__(
            message,
            status=429,
            type="rate_limit_error",
            code="rate_limit_exceeded",
            retry_after_s=retry_after_s,
        )


class Overloaded(GatewayError):
    """Capacity, not the caller, is the limit: the queue is full, or the wait took too long."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(
            message,
            status=503,
            type="service_unavailable_error",
            code="overloaded",
            retry_after_s=retry_after_s,
        )


class Unavailable(GatewayError):
    """No runner that could answer can be reached now, or the gateway is draining."""

    def __init__(self, message: str, *, code: str, retry_after_s: float) -> None:
        super().__init__(
            message,
            status=503,
            type="service_unavailable_error",
            code=code,
            retry_after_s=retry_after_s,
        )


class UpstreamFailed(GatewayError):
    """A runner took the request and did not answer it properly."""

    def __init__(self, message: str, *, status: int = 502, code: str = "upstream_error") -> None:
        super().__init__(message, status=status, type="server_error", code=code)


class CannotStart(Exception):
    """The gateway cannot start as it is configured; the message says what to change."""
