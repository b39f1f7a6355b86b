"""An OpenAI chat request as the body of Ollama's `POST /api/chat`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from backends.base import Call, TargetModel
from backends.errors import RequestUnsupported
from backends.ollama_native.message import native_messages
from backends.ollama_native.option import ALLOWED, RENAMED, TOP_LEVEL, native_options
from backends.ollama_native.value import decode, expect, is_null

_NATIVE_ONLY = (ALLOWED | frozenset(RENAMED) | {"options", "think"}) - {
    # Ollama's /v1 reads these as well, so they alone are no reason to leave it.
    "temperature",
    "top_p",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
}

_NONE = Raw(b'"none"')

_RESHAPED = re.compile(rb'"(?:content"\s*:\s*\[|role"\s*:\s*"(?:developer|function)")')
"""Messages that Ollama's /v1 distorts: every content part becomes a message of its own, and roles
its templates do not know are passed through to them. Quotes inside JSON strings are escaped, so
text that merely talks of this does not match."""

_EFFORTS: Mapping[str, bool | str] = MappingProxyType(
    {
        "none": False,
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "max",
        "max": "max",
        "ultra": "max",
    }
)
"""OpenAI's `reasoning_effort` -> `think`, as Ollama's own /v1 maps it; natively it takes no others
than the values on the right."""


def needs_native(call: Call, target: TargetModel) -> bool:
    """Whether `/v1` would lose something of this chat request that `/api/chat` can keep.

    That is: anything pinned by the operator (`/v1` has no `num_ctx` and no `keep_alive`, and a
    request without the pinned `num_ctx` makes Ollama load the model anew), any token limit
    (`max_completion_tokens` is dropped by `/v1`, ollama/ollama#7125, and `max_tokens` is reported
    to be in 0.34, ollama/ollama#18575), settings that only Ollama has, and messages of parts.
    """
    if target.options:
        return True
    if any(name in _NATIVE_ONLY and not is_null(raw) for name, raw in call.fields.items()):
        return True
    messages = call.fields.get("messages")
    return messages is not None and _RESHAPED.search(messages) is not None


def native_chat(call: Call, target: TargetModel) -> tuple[bytes, list[str]]:
    """The body to send, and the names of the caller's settings that pins or Ollama override.

    Raises `RequestUnsupported` for what Ollama cannot express, naming the field.
    """
    fields = {name: raw for name, raw in call.fields.items() if not is_null(raw)}
    options, ignored = native_options(fields, target.options)
    body: dict[str, Any] = {
        "model": target.name,
        "messages": native_messages(_required(fields, "messages")),
        # Natively streaming is the default, so it is always said.
        "stream": call.stream,
        "options": options,
    }
    if "tools" in fields and fields.get("tool_choice") != _NONE:
        # Ollama does not read tool_choice: with tools in sight a model may call them.
        body["tools"] = fields["tools"]
    body.update(_format(fields, ignored))
    body.update(_thinking(fields))
    body.update(_logprobs(fields))
    for name in TOP_LEVEL & target.options.keys():
        if name == "think" and "think" in body and body["think"] != target.options[name]:
            ignored.append("think" if "think" in fields else "reasoning_effort")
        body[name] = target.options[name]
    try:
        return msgspec.json.encode(body), ignored
    except RecursionError as exc:
        raise RequestUnsupported("the request is nested too deeply", param="messages") from exc


def _required(fields: Mapping[str, Raw], name: str) -> Any:
    if name not in fields:
        raise RequestUnsupported(f"'{name}' is missing", param=name)
    return decode(fields[name], name)


def _format(fields: Mapping[str, Raw], ignored: list[str]) -> dict[str, Any]:
    if "response_format" not in fields:
        return {}
    wanted = expect(
        decode(fields["response_format"], "response_format"), dict, "response_format", "an object"
    )
    if wanted.get("type") == "json_object":
        return {"format": "json"}
    if wanted.get("type") != "json_schema":
        if wanted.get("type") != "text":
            ignored.append("response_format")
        return {}
    named = expect(
        wanted.get("json_schema"), dict, "response_format.json_schema", "an object with a 'schema'"
    )
    schema = expect(
        named.get("schema"), dict, "response_format.json_schema.schema", "a JSON schema"
    )
    return {"format": schema}


def _thinking(fields: Mapping[str, Raw]) -> dict[str, bool | str]:
    if "think" in fields:
        think = decode(fields["think"], "think")
        if isinstance(think, bool):
            return {"think": think}
        return {"think": _effort(think, "think")}
    if "reasoning_effort" in fields:
        return {"think": _effort(decode(fields["reasoning_effort"], "reasoning_effort"))}
    if "reasoning" in fields:
        reasoning = expect(decode(fields["reasoning"], "reasoning"), dict, "reasoning", "an object")
        if reasoning.get("effort") is not None:
            return {"think": _effort(reasoning["effort"], "reasoning.effort")}
    return {}


def _effort(value: object, name: str = "reasoning_effort") -> bool | str:
    think = _EFFORTS.get(value) if isinstance(value, str) else None
    if think is None:
        raise RequestUnsupported(
            f"'{name}' must be one of {', '.join(_EFFORTS)}, not {str(value)[:40]!r}", param=name
        )
    return think


def _logprobs(fields: Mapping[str, Raw]) -> dict[str, Any]:
    native: dict[str, Any] = {}
    if "logprobs" in fields:
        native["logprobs"] = expect(
            decode(fields["logprobs"], "logprobs"), bool, "logprobs", "true or false"
        )
    if "top_logprobs" in fields:
        native["top_logprobs"] = expect(
            decode(fields["top_logprobs"], "top_logprobs"), int, "top_logprobs", "an integer"
        )
    return native
