"""What a runner's error means to the caller: one classification for every dialect.

The rules are tried in order and the first that applies answers. A fault of the caller's keeps a
4xx; whatever the operator or the runner has to put right is a 5xx that names the runner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends.error_body import ErrorBody, read_error_body
from backends.errors import BackendError, ReplyInvalid, RunnerRefused

OVERFLOW = (
    "maximum context length",
    "exceeds the available context size",
    "exceeds the context length",
    "longer than the model's context length",
    "is too large to process. increase the physical batch size",
)
UNSUPPORTED_TYPES = ("not_supported_error", "feature_disabled", "NotImplementedError")
UNSUPPORTED = (
    "does not support embeddings",
    "does not support chat",
    "embedding=true",
    "is not oai compatible",  # llama-server, for a model without pooling
)
ROUTE_MISSING = re.compile(
    r"((404 page |file )?not found|method not allowed|an html page instead of json)?"
)
UNKNOWN_MODEL = re.compile(r"\bmodel\b.*\b(not found|does not exist)\b", re.IGNORECASE)
LOADING = ("loading", "starting", "starting up")
MEDIA = "input is not supported"
"""llama-server's 500 for an image or audio without a projector."""
FULL = "model limit reached, try again later"  # llama-server's router, as a 500


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer and what is known about it. `runner` is how messages name the runner."""

    found: ErrorBody
    status: int
    runner: str
    hint: str = ""
    """What an operator can do so that this kind of runner serves an operation it does not."""
    retry_after_s: float | None = None

    @property
    def text(self) -> str:
        return self.found.message.lower()

    @property
    def said(self) -> str:
        return f"{self.runner} answered HTTP {self.status}: {self.found.message or 'no message'}"


def refuse(fault: Fault) -> RunnerRefused:
    """Classify `fault`."""
    for rule in RULES:
        refused = rule(fault)
        if refused is not None:
            return refused
    return _upstream_error(fault)


def read_refusal(
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    runner: str,
    hint: str = "",
) -> BackendError:
    """Read and classify an error answer; `ReplyInvalid` if its status is not that of an error."""
    if status < 400:
        return ReplyInvalid(
            f"{runner} answered HTTP {status} where a reply was due; check the runner's url"
        )
    return refuse(Fault(read_error_body(body), status, runner, hint, retry_after(headers)))


def retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """Seconds of a `Retry-After` header; None for its date form, which runners do not use."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            try:
                return min(max(float(value), 0.0), 3600.0)
            except ValueError:
                return None
    return None


def _context_overflow(fault: Fault) -> RunnerRefused | None:
    marked = (fault.found.type, fault.found.code)
    if (
        "exceed_context_size_error" not in marked
        and "context_length_exceeded" not in marked
        and not any(phrase in fault.text for phrase in OVERFLOW)
    ):
        return None
    return RunnerRefused(
        fault.found.message,
        status=400,
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    )


def _unsupported(fault: Fault) -> RunnerRefused | None:
    route_missing = fault.status in (404, 405) and ROUTE_MISSING.fullmatch(fault.text.strip("."))
    if (
        not route_missing
        and fault.status != 501
        and fault.found.type not in UNSUPPORTED_TYPES
        and not any(phrase in fault.text for phrase in UNSUPPORTED)
    ):
        return None
    hint = f" ({fault.hint})" if fault.hint else ""
    return RunnerRefused(
        f"{fault.runner} does not serve this operation{hint}",
        status=400,
        type="invalid_request_error",
        code="unsupported_operation",
    )


def _credential(fault: Fault) -> RunnerRefused | None:
    if fault.status not in (401, 403):
        return None
    return RunnerRefused(
        f"{fault.runner} refused our credential (HTTP {fault.status}); set its api_key",
        status=502,
        type="server_error",
        code="upstream_auth_failed",
    )


def _unknown_model(fault: Fault) -> RunnerRefused | None:
    if fault.status not in (400, 404) or not UNKNOWN_MODEL.search(fault.found.message):
        return None
    return RunnerRefused(
        f"{fault.said}; check the upstream model name of this target",
        status=502,
        type="server_error",
        code="upstream_model_not_found",
    )


def _loading(fault: Fault) -> RunnerRefused | None:
    if fault.status != 503 or not any(word in fault.text for word in LOADING):
        return None
    return _unavailable(fault, "model_loading")


def _overloaded(fault: Fault) -> RunnerRefused | None:
    if fault.status == 429 and "insufficient_quota" in (fault.found.code, fault.found.type):
        return RunnerRefused(
            fault.said, status=502, type="server_error", code="upstream_quota_exceeded"
        )
    if fault.status not in (429, 503) and FULL not in fault.text:
        return None
    return _unavailable(fault, "overloaded")


def _unavailable(fault: Fault, code: str) -> RunnerRefused:
    return RunnerRefused(
        fault.said,
        status=503,
        type="service_unavailable_error",
        code=code,
        retryable=True,
        retry_after_s=fault.retry_after_s,
    )


def _callers_fault(fault: Fault) -> RunnerRefused | None:
    # llama-cpp-python answers 500 to every body that its types reject.
    disguised = fault.status == 500 and (fault.found.validation or MEDIA in fault.text)
    if fault.status in (404, 408, 424) or (fault.status >= 500 and not disguised):
        return None
    return RunnerRefused(
        fault.found.message or fault.said,
        status=413 if fault.status == 413 else 400,
        type="invalid_request_error",
        param=fault.found.param,
        code=fault.found.code,
    )


def _upstream_error(fault: Fault) -> RunnerRefused:
    return RunnerRefused(fault.said, status=502, type="server_error", code="upstream_error")


RULES: tuple[Callable[[Fault], RunnerRefused | None], ...] = (
    _context_overflow,
    _unsupported,
    _credential,
    _unknown_model,
    _loading,
    _overloaded,
    _callers_fault,
)
