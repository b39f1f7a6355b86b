"""Prompts from a file of one JSON value a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.bench.prompts import Prompt, Prompts, user_prompt
from gateway.bench.result import PromptFacts

MOST_PROMPTS = 100_000
LARGEST_FILE = 256 << 20
_FORMS = (
    'a string, {"prompt": "…"} or {"messages": [{"role": "user", "content": "…"}]}, '
    'the last two with "max_tokens" where it matters'
)


class PromptsUnreadable(Exception):
    """The file cannot be used; the message says where and why, without quoting a prompt."""


def read_prompts(path: Path, output_tokens: int, *, exact: bool) -> Prompts:
    """All prompts of a file. `output_tokens` is `max_tokens` for those that name none."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PromptsUnreadable(f"{path} is larger than {LARGEST_FILE >> 20} MiB; cut it")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise PromptsUnreadable(f"{path} cannot be read: {error.strerror}") from error
    prompts = [
        _prompt(line, f"{path}:{number}", output_tokens)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not prompts:
        raise PromptsUnreadable(f"{path} holds no prompt; each line must be {_FORMS}")
    if len(prompts) > MOST_PROMPTS:
        raise PromptsUnreadable(f"{path} holds more than {MOST_PROMPTS} prompts; cut it")
    facts = PromptFacts(
        kind="file",
        count=len(prompts),
        source=path.name,
        input_tokens=None,
        output_tokens=max(prompt.max_tokens for prompt in prompts),
        exact_output=exact,
    )
    return Prompts(facts, tuple(prompts))


def _prompt(line: bytes, where: str, output_tokens: int) -> Prompt:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PromptsUnreadable(f"{where} is not JSON ({error}); it must be {_FORMS}") from error
    if isinstance(value, str) and value:
        return user_prompt(value, output_tokens)
    if not isinstance(value, dict):
        raise PromptsUnreadable(f"{where} must be {_FORMS}")
    tokens = value.get("max_tokens", output_tokens)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise PromptsUnreadable(f"{where}: max_tokens must be a whole number from 1 on")
    text = value.get("prompt")
    if isinstance(text, str) and text:
        return user_prompt(text, tokens)
    messages = value.get("messages")
    if isinstance(messages, list) and messages and all(map(_is_message, messages)):
        return Prompt(tuple(messages), tokens)
    raise PromptsUnreadable(f"{where} must be {_FORMS}")


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str) and "content" in value
