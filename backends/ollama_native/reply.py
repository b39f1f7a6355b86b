"""A complete answer (`stream: false`) of Ollama's own API as an OpenAI completion."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from backends.base import Reply
from backends.errors import ReplyInvalid
from backends.ollama_native.choice import Choices
from backends.ollama_native.error import refuse_line
from backends.ollama_native.line import finish_reason, read_line
from backends.usage import usage_object


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every part of one reply carries and none of Ollama's own replies give."""

    id: str
    """Unique; Ollama's `/v1` draws from 999 of them."""
    created: int
    """Unix time in seconds."""
    model: str
    """The public name."""


def openai_reply(body: bytes, stamp: Stamp, choices: Choices, *, runner: str) -> Reply:
    """Translate it. Raises `RunnerRefused` for an error in it, `ReplyInvalid` for anything else."""
    if not body.strip():
        raise ReplyInvalid(f"{runner} answered 200 with an empty body")
    line = read_line(body, runner)
    if line.error is not None:
        raise refuse_line(line.error, runner)
    if not line.done:
        raise ReplyInvalid(f"{runner} answered 200 with a reply that is not done")
    completion = {
        "id": stamp.id,
        "object": choices.kind,
        "created": stamp.created,
        "model": stamp.model,
        "choices": [choices.whole(line, finish_reason(line, runner))],
        "usage": usage_object(line.usage),
    }
    return Reply(body=msgspec.json.encode(completion), usage=line.usage)
