"""What requests make use of that runners treat differently, read from the fields they carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Use(StrEnum):
    """One trait of the requests; the value is what the operator types."""

    TOOLS = "tools"
    JSON_SCHEMA = "json-schema"
    THINKING = "thinking"
    TOKEN_LIMIT = "token-limit"
    CONTEXT = "context"
    KEEP_ALIVE = "keep-alive"
    IMAGES = "images"
    EMBEDDINGS = "embeddings"
    CHOICES = "choices"
    STREAM_USAGE = "stream-usage"
    NATIVE_API = "native-api"


_OF_FIELD: Mapping[str, Use] = MappingProxyType(
    {
        "tools": Use.TOOLS,
        "tool_choice": Use.TOOLS,
        "parallel_tool_calls": Use.TOOLS,
        "functions": Use.TOOLS,
        "response_format": Use.JSON_SCHEMA,
        "format": Use.JSON_SCHEMA,
        "guided_json": Use.JSON_SCHEMA,
        "structured_outputs": Use.JSON_SCHEMA,
        "think": Use.THINKING,
        "reasoning_effort": Use.THINKING,
        "reasoning": Use.THINKING,
        "chat_template_kwargs": Use.THINKING,
        "max_tokens": Use.TOKEN_LIMIT,
        "max_completion_tokens": Use.TOKEN_LIMIT,
        "num_predict": Use.TOKEN_LIMIT,
        "num_ctx": Use.CONTEXT,
        "keep_alive": Use.KEEP_ALIVE,
        "n": Use.CHOICES,
        "logit_bias": Use.CHOICES,
        "logprobs": Use.CHOICES,
        "stream_options": Use.STREAM_USAGE,
    }
)


def uses_of_fields(names: Iterable[str]) -> frozenset[Use]:
    """What fields of these names make use of; names we know nothing of say nothing."""
    return frozenset(_OF_FIELD[name] for name in names if name in _OF_FIELD)


def uses_of_request(body: Mapping[str, Any]) -> frozenset[Use]:
    """What one request body makes use of. Looks at names and kinds only, never at text."""
    names = {name for name, value in body.items() if value is not None and value != []}
    options = body.get("options")
    if isinstance(options, Mapping):
        names |= set(options)
    uses = set(uses_of_fields(names))
    if isinstance(options, Mapping):
        uses.add(Use.NATIVE_API)
    if "input" in body and "messages" not in body:
        uses.add(Use.EMBEDDINGS)
    if _has_images(body.get("messages")):
        uses.add(Use.IMAGES)
    return frozenset(uses)


def _has_images(messages: Any) -> bool:
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping):
            continue
        if message.get("images"):
            return True
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping) and part.get("type") in ("image_url", "input_image"):
                return True
    return False
