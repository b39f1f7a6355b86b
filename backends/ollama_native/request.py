"""OpenAI requests as the bodies of Ollama's `POST /api/chat` and `POST /api/generate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from backends.base import Call, Operation, TargetModel
from backends.errors import RequestUnsupported
from backends.ollama_native.message import native_messages
from backends.ollama_native.option import ALLOWED, RENAMED, native_options, pinned_fields
from backends.ollama_native.prompt import one_prompt
from backends.ollama_native.value import decode, expect, is_null

_V1_READS = frozenset(
    {"temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty"}
)
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_NATIVE_ONLY: Mapping[Operation, frozenset[str]] = MappingProxyType(
    {
        Operation.CHAT: (ALLOWED | frozenset(RENAMED) | {"options", "think"}) - _V1_READS,
        Operation.COMPLETIONS: (ALLOWED | frozenset(RENAMED) | {"options"}) - _V1_READS - _LIMITS,
        Operation.EMBEDDINGS: frozenset(),
    }
)
"""Fields that `/v1` drops and Ollama's own API keeps."""

_UNCHANGED = ("tools", "logprobs", "top_logprobs")
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
    """Whether `/v1` would lose something of this request that Ollama's own API can keep.

    That is: anything pinned by the operator (`/v1` has no `num_ctx` and no `keep_alive`; a request
    without the pinned `num_ctx` makes Ollama load the model anew, one without `keep_alive` sets it
    back to five minutes), settings that only Ollama has, and for chat messages made of parts and
    any token limit (`/v1` drops `max_completion_tokens`, ollama/ollama#7125, and is reported to
    drop `max_tokens` from 0.34 on, ollama/ollama#18575).
    """
    if target.options:
        return True
    native_only = _NATIVE_ONLY[call.operation]
    if any(name in native_only and not is_null(raw) for name, raw in call.fields.items()):
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
    body.update({name: fields[name] for name in _UNCHANGED if name in fields})
    if fields.get("tool_choice") == _NONE:
        # Ollama does not read tool_choice: with tools in sight a model may call them.
        body.pop("tools", None)
    body.update(_format(fields, ignored))
    body.update(_thinking(fields))
    pinned = pinned_fields(target.options)
    if "think" in pinned and body.get("think", pinned["think"]) != pinned["think"]:
        ignored.append("think" if "think" in fields else "reasoning_effort")
    return _encoded(body | pinned), ignored


def native_generate(call: Call, target: TargetModel) -> tuple[bytes, list[str]]:
    """The same for a text completion. Ollama puts the prompt into the model's template, on `/v1`
    as well. An empty prompt is refused: it is no request for an answer but loads the model."""
    fields = {name: raw for name, raw in call.fields.items() if not is_null(raw)}
    options, ignored = native_options(fields, target.options)
    prompt = one_prompt(fields["prompt"]) if "prompt" in fields else Raw(b'""')
    if not expect(decode(prompt, "prompt"), str, "prompt", "a string"):
        raise RequestUnsupported("'prompt' is empty: send some text", param="prompt")
    body: dict[str, Any] = {
        "model": target.name,
        "prompt": prompt,
        "stream": call.stream,
        "options": options,
    }
    if "suffix" in fields:
        body["suffix"] = fields["suffix"]
    return _encoded(body | pinned_fields(target.options)), ignored


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
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


def _thinking(fields: Mapping[str, Raw]) -> dict[str, Any]:
    if "think" in fields:
        return {"think": _effort(decode(fields["think"], "think"))}
    if "reasoning_effort" in fields:
        return {"think": _effort(decode(fields["reasoning_effort"], "reasoning_effort"))}
    if "reasoning" in fields:
        reasoning = expect(decode(fields["reasoning"], "reasoning"), dict, "reasoning", "an object")
        if reasoning.get("effort") is not None:
            return {"think": _effort(reasoning["effort"])}
    return {}


def _effort(value: object) -> object:
    return _EFFORTS.get(value, value) if isinstance(value, str) else value
