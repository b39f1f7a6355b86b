"""Tokens of a request: read from a runner's reply, or estimated where it tells none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.base import Call, Usage

BYTES_PER_TOKEN = 4
"""Rule of thumb for English text and common tokenizers; only used where a runner counts nothing."""


def read_usage(found: Mapping[str, Any]) -> Usage:
    """Read an OpenAI `usage` object; what is missing or not a number counts as 0."""
    details = found.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        prompt_tokens=_count(found.get("prompt_tokens")),
        completion_tokens=_count(found.get("completion_tokens")),
        cached_tokens=_count(cached),
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    """Write usage in OpenAI's shape."""
    written: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens:
        written["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return written


def estimate_prompt_tokens(call: Call) -> int:
    """Guess the tokens of a prompt from the length of its text, images and tools not counted."""
    for name in ("messages", "prompt", "input"):
        raw = call.fields.get(name)
        if raw is not None:
            return max(1, _text_bytes(msgspec.json.decode(raw)) // BYTES_PER_TOKEN)
    return 0


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, int):  # a prompt given as token ids: each is a token
        return BYTES_PER_TOKEN
    if isinstance(value, list):
        return sum(map(_text_bytes, value))
    if isinstance(value, dict):
        return _text_bytes(value.get("content")) + _text_bytes(value.get("text"))
    return 0
