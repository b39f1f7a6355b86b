"""Ollama's refusals that the common classification cannot give a remedy for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from backends.error_body import ErrorBody, error_in
from backends.errors import RunnerRefused
from backends.refusal import Fault, refuse

_MISSING_MODEL = re.compile(r"model ['\"](?P<name>[^'\"]+)['\"] not found")
"""`/api` and `/v1` quote the name in two ways, depending on where it is missed."""

_LACKING = re.compile(r"does not support (?P<what>tools|thinking)\b")
_BAD_OPTION = re.compile(r"option \"(?P<name>\w+)\" must be ")
"""A wrong type among the options, which Ollama calls a fault of its own (HTTP 500)."""
_PARAMS: Mapping[str, str] = MappingProxyType({"tools": "tools", "thinking": "reasoning_effort"})


def refuse_ollama(fault: Fault) -> RunnerRefused:
    """Classify `fault`; the rules of `backends.refusal` apply to what is not said here."""
    missing = _MISSING_MODEL.search(fault.found.message)
    if missing is not None:
        name = missing["name"]
        return RunnerRefused(
            f"{fault.runner} has no model {name!r}; run `ollama pull {name}` there, "
            "or correct the upstream model name of this target",
            status=502,
            type="server_error",
            code="upstream_model_not_found",
        )
    lacking = _LACKING.search(fault.found.message) if fault.status < 500 else None
    if lacking is not None:
        return RunnerRefused(
            fault.found.message,
            status=400,
            type="invalid_request_error",
            param=_PARAMS[lacking["what"]],
            code="unsupported_parameter",
        )
    bad = _BAD_OPTION.match(fault.found.message)
    if bad is not None:
        return RunnerRefused(
            fault.found.message, status=400, type="invalid_request_error", param=bad["name"]
        )
    if fault.status == 499:
        # Ollama's own status for a run that was given up; the caller has nothing to put right.
        return RunnerRefused(fault.said, status=502, type="server_error", code="upstream_error")
    return refuse(fault)


def refuse_line(error: object, runner: str) -> RunnerRefused:
    """Classify the error that came as a line under HTTP 200, where no status tells its kind."""
    found = error_in({"error": error}) or ErrorBody("")
    return refuse_ollama(Fault(found, found.status or 500, runner))
