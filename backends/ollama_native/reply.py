"""A complete answer of `POST /api/chat` (`stream: false`) as an OpenAI chat completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from backends.base import Reply
from backends.errors import ReplyInvalid
from backends.ollama_native.error import refuse_line
from backends.ollama_native.line import (
    ToolCalls,
    finish_reason,
    openai_logprobs,
    read_line,
    usage,
)
from backends.usage import usage_object


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every part of one reply carries, none of which Ollama's native API gives."""

    id: str
    """Unique; Ollama's `/v1` draws from 999 of them."""
    created: int
    """Unix time in seconds."""
    model: str
    """The public name."""


def openai_reply(body: bytes, stamp: Stamp, *, runner: str) -> Reply:
    """Translate it. Raises `RunnerRefused` for an error in it, `ReplyInvalid` for anything else."""
    if not body.strip():
        raise ReplyInvalid(f"{runner} answered 200 with an empty body")
    line = read_line(body, runner)
    if line.error is not None:
        raise refuse_line(line.error, runner)
    if line.message is None or not line.done:
        raise ReplyInvalid(f"{runner} answered 200 with a message that is missing or not done")
    calls = ToolCalls()
    message: dict[str, Any] = {"role": "assistant", "content": line.message.content or ""}
    if line.message.thinking:
        message["reasoning"] = message["reasoning_content"] = line.message.thinking
    if line.message.tool_calls:
        written = [calls.write(call) for call in line.message.tool_calls]
        message["tool_calls"] = [
            {k: v for k, v in call.items() if k != "index"} for call in written
        ]
        message["content"] = line.message.content or None
    found = usage(line)
    completion = {
        "id": stamp.id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": stamp.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": openai_logprobs(line.logprobs) if line.logprobs else None,
                "finish_reason": finish_reason(line, calls.count > 0, runner),
            }
        ],
        "usage": usage_object(found),
    }
    return Reply(body=msgspec.json.encode(completion), usage=found)
