"""Error bodies of every runner we know, read into one shape. Nothing is decided here.

Shapes met in the wild: `{"error": {...}}` (llama.cpp, vLLM, Ollama), `{"error": "text"}` (Ollama,
MLX, vLLM's authentication, TensorRT-LLM), the same with `error_type` beside it (TGI), a flat
`{"object": "error", "message": ...}` (SGLang), FastAPI's `{"detail": "text" | [...]}`, plain text,
and HTML from whatever stands in front of the runner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import msgspec

MESSAGE_LIMIT = 1000
"""Characters of a runner's message that are passed on."""
FINDINGS_SHOWN = 3

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TRACE = re.compile(r'\n\s*File ".*', re.DOTALL)
# How vLLM and llama-cpp-python print pydantic's findings; the rest of each line repeats the input.
_FINDING = re.compile(
    r"'loc': (?P<loc>\([^)]*\)|'[^']*'), 'msg': (?P<msg>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
)
_LLAMA_FIELD = re.compile(r"Field '(?P<name>\w+)': ")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a runner said about an error, cleaned and bounded; None where it said nothing."""

    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    status: int | None = None
    """The HTTP status that the body itself names (vLLM and llama.cpp write it as `code`)."""
    validation: bool = False
    """The runner held the request against its types and listed what does not fit."""


def read_error_body(body: bytes) -> ErrorBody:
    """Read any error body; never fails. The message is empty when there is nothing readable."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ErrorBody(_plain_text(body))
    return error_in(document) or ErrorBody("")


def error_in(document: Any) -> ErrorBody | None:
    """The error that a decoded JSON document reports, or None if it reports none."""
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return _from_fields(error)
    if isinstance(error, str) and error:
        # Ollama wraps the answer of its own llama-server into the string.
        nested = _decoded(error) if error.startswith("{") else None
        return error_in(nested) or _message(error, type=_text(document.get("error_type")))
    if "detail" in document:
        return _from_detail(document["detail"])
    if "message" in document and "choices" not in document:
        return _from_fields(document)
    return None


def clean(text: str) -> str:
    """`text` on one line, without control characters or stack frames, bounded in length."""
    line = _CONTROL.sub(" ", _TRACE.sub("", text)).strip()
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def _from_fields(error: dict[str, Any]) -> ErrorBody:
    code = error.get("code", error.get("http_status_code"))
    return _message(
        _text(error.get("message")) or "",
        type=_text(error.get("type")),
        param=_text(error.get("param")),
        code=code if isinstance(code, str) and not code.isdigit() else None,
        status=code if isinstance(code, int) and 400 <= code < 600 else None,
    )


def _from_detail(detail: Any) -> ErrorBody:
    if isinstance(detail, dict):
        return _from_fields(detail)
    if not isinstance(detail, list):
        return _message(str(detail))
    findings = [
        (".".join(map(str, item.get("loc", ()))), str(item.get("msg", "")))
        for item in detail
        if isinstance(item, dict)
    ]
    return _from_findings(findings)


def _message(
    text: str,
    *,
    type: str | None = None,
    param: str | None = None,
    code: str | None = None,
    status: int | None = None,
) -> ErrorBody:
    findings = [(m["loc"], m["msg"][1:-1]) for m in _FINDING.finditer(text)]
    if findings:
        return replace(_from_findings(findings), type=type, code=code, status=status)
    field = _LLAMA_FIELD.match(text)
    if field is not None:
        param = param or field["name"]
    return ErrorBody(clean(text), type, _param(param), code, status)


def _from_findings(findings: list[tuple[str, str]]) -> ErrorBody:
    named = [(_param(re.sub(r"[()'\s]", "", loc).replace(",", ".")), msg) for loc, msg in findings]
    shown = [f"{param}: {msg}" if param else msg for param, msg in named[:FINDINGS_SHOWN]]
    if len(named) > FINDINGS_SHOWN:
        shown.append(f"and {len(named) - FINDINGS_SHOWN} more")
    param = named[0][0] if named else None
    return ErrorBody(clean("; ".join(shown)), param=param, validation=True)


def _param(name: str | None) -> str | None:
    if name is None:
        return None
    return name.removeprefix("body.").strip(".") or None


def _plain_text(body: bytes) -> str:
    text = body[: 4 * MESSAGE_LIMIT].decode(errors="replace")
    if text.lstrip()[:1] == "<":
        return "an HTML page instead of JSON"
    return clean(text)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
