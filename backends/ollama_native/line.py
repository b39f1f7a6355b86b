"""One JSON object of Ollama's reply: a line of a stream, or the whole answer when not streaming."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from backends.base import Usage
from backends.errors import ReplyInvalid


class Function(msgspec.Struct):
    """A tool call's function; natively the arguments are an object."""

    name: str = ""
    arguments: Raw = Raw(b"{}")


class ToolCall(msgspec.Struct):
    """A whole tool call: Ollama never sends one in pieces."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct):
    """What `/api/chat` generated since the line before."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class Line(msgspec.Struct):
    """Fields we read; the rest (durations, model, created_at) is of no use to an OpenAI client."""

    message: Message | None = None
    response: str | None = None
    """What `/api/generate` generated since the line before."""
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int = 0
    """Tokens of the prompt, cached ones included."""
    eval_count: int = 0
    logprobs: list[dict[str, Any]] | None = None
    error: Any = None

    @property
    def usage(self) -> Usage:
        """The token counts, which only a `done` line has; Ollama leaves zeros out."""
        return Usage(prompt_tokens=self.prompt_eval_count, completion_tokens=self.eval_count)


_LINE = msgspec.json.Decoder(Line)

_FINISHED = frozenset({"stop", "length"})
_NO_ANSWER = frozenset({"load", "unload"})


def read_line(line: bytes, runner: str) -> Line:
    """Decode one object. Raises `ReplyInvalid` when it is none of Ollama's."""
    try:
        read = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # The text itself stays out of the message: it may hold what the model said.
        raise ReplyInvalid(f"{runner} sent what is no line of a reply: {exc}") from exc
    if read.message is None and read.response is None and read.error is None:
        raise ReplyInvalid(f"{runner} sent what is no line of a reply: it has no message")
    return read


def finish_reason(line: Line, runner: str) -> str:
    """OpenAI's reason for a `done` line. Raises `ReplyInvalid` for a load or unload notice."""
    reason = line.done_reason or "stop"
    if reason in _NO_ANSWER:
        raise ReplyInvalid(f"{runner} answered with the notice of a model {reason}, not a reply")
    return reason if reason in _FINISHED else "stop"
