"""What can go wrong between us and one runner.

A class exists for each distinct reaction of the caller. `reached` is the retry rule: False means
that the runner cannot have seen the request, so sending it to another runner is always safe.

    BackendError
    ├── ConnectFailed        the connection was never made           reached = False
    ├── ConnectionLost       it ended before the answer was complete
    ├── RunnerTimeout        a time budget of the running request ran out
    ├── ReplyInvalid         what came back is not an answer (garbage, empty, oversized)
    ├── RunnerRefused        the runner answered with an error of its own
    └── RequestUnsupported   this dialect cannot express the request  reached = False
"""

from __future__ import annotations

from typing import Literal

Phase = Literal["connect", "first_byte", "idle", "total"]


class BackendError(Exception):
    """The runner could not answer."""

    reached: bool = True


class ConnectFailed(BackendError):
    """The runner could not be connected to: refused, name not found, TLS failed, or too slow."""

    reached = False


class ConnectionLost(BackendError):
    """The runner closed the connection before its answer was complete."""


class RunnerTimeout(BackendError):
    """The runner did not keep a time budget; `phase` says which, `budget_s` how long it was."""

    def __init__(self, message: str, *, phase: Phase, budget_s: float) -> None:
        super().__init__(message)
        self.phase: Phase = phase
        self.budget_s = budget_s
        self.reached = phase != "connect"


class ReplyInvalid(BackendError):
    """The runner's answer is not a valid reply of its dialect."""


class RunnerRefused(BackendError):
    """The runner answered with an error, here in the terms of the OpenAI error object.

    `status` is what the caller should see: a runner's 5xx that is really the caller's fault has
    become 400 already. `retryable` is true when the runner has not begun the work and another
    runner, or the same one later, may well accept it (429, 503).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,
        param: str | None = None,
        code: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.param = param
        self.code = code
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class RequestUnsupported(BackendError):
    """The request cannot be expressed in this runner's dialect; `param` names the field."""

    reached = False

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
