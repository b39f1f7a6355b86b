"""What a runner's failure means for the caller: from `BackendError` to `GatewayError`."""

from __future__ import annotations

from backends.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    RequestUnsupported,
    RunnerRefused,
    RunnerTimeout,
)
from gateway.errors import GatewayError, InvalidRequest, Unavailable, UpstreamFailed

RETRY_UNREACHABLE_S = 2.0
"""A runner that is down is looked at every second or so."""


def as_gateway_error(runner: str, error: BackendError) -> GatewayError:
    """Say it to the caller, naming the runner. The message never holds what the caller sent."""
    if isinstance(error, RunnerRefused):
        return GatewayError(
            error.message,
            status=error.status,
            type=error.type,
            code=error.code,
            param=error.param,
            retry_after_s=_retry_after(error),
        )
    if isinstance(error, RequestUnsupported):
        return InvalidRequest(error.message, param=error.param, code="unsupported_parameter")
    if isinstance(error, ConnectFailed) or not error.reached:
        return Unavailable(
            f"Runner '{runner}' cannot be reached: {error}.",
            code="runner_unreachable",
            retry_after_s=RETRY_UNREACHABLE_S,
        )
    if isinstance(error, RunnerTimeout):
        return UpstreamFailed(
            f"Runner '{runner}' was too slow: {error}.", status=504, code="upstream_timeout"
        )
    if isinstance(error, ConnectionLost):
        return UpstreamFailed(
            f"Runner '{runner}' broke off: {error}.", code="upstream_connection_lost"
        )
    return UpstreamFailed(
        f"Runner '{runner}' gave an invalid answer: {error}.", code="upstream_invalid_reply"
    )


def _retry_after(error: RunnerRefused) -> float | None:
    if error.retry_after_s is not None:
        return min(60.0, max(1.0, error.retry_after_s))
    return RETRY_UNREACHABLE_S if error.retryable else None
