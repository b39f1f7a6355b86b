"""One JSON object of Ollama's reply: a line of a stream, or the whole answer when not streaming."""

from __future__ import annotations

import secrets
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
    """What was generated since the line before."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class Line(msgspec.Struct):
    """Fields we read; the rest (durations, model, created_at) is of no use to an OpenAI client."""

    message: Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int = 0
    """Tokens of the prompt, cached ones included."""
    eval_count: int = 0
    logprobs: list[dict[str, Any]] | None = None
    error: Any = None


_LINE = msgspec.json.Decoder(Line)

_FINISHED = frozenset({"stop", "length"})
_NO_ANSWER = frozenset({"load", "unload"})


def read_line(line: bytes, runner: str) -> Line:
    """Decode one object. Raises `ReplyInvalid` when it is none of Ollama's."""
    try:
        return _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # The text itself stays out of the message: it may hold what the model said.
        raise ReplyInvalid(f"{runner} sent what is no line of a chat reply: {exc}") from exc


def finish_reason(line: Line, called_tools: bool, runner: str) -> str:
    """OpenAI's reason for a `done` line. Raises `ReplyInvalid` for a load or unload notice."""
    reason = line.done_reason or "stop"
    if reason in _NO_ANSWER:
        raise ReplyInvalid(f"{runner} answered with the notice of a model {reason}, not a reply")
    if called_tools:
        return "tool_calls"
    return reason if reason in _FINISHED else "stop"


def usage(line: Line) -> Usage:
    """The token counts of a `done` line; counts of zero are left out by Ollama."""
    return Usage(prompt_tokens=line.prompt_eval_count, completion_tokens=line.eval_count)


class ToolCalls:
    """Writes tool calls in OpenAI's shape, with an index and an id of its own for each."""

    __slots__ = ("_ids", "count")

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self.count = 0

    def write(self, call: ToolCall) -> dict[str, Any]:
        """OpenAI's form of the next call, `index` included.

        Ollama's own index starts again in every line, and ids are missing in older releases.
        """
        call_id = call.id
        if not call_id or call_id in self._ids:
            call_id = f"call_{secrets.token_hex(12)}"
        self._ids.add(call_id)
        written = {
            "index": self.count,
            "id": call_id,
            "type": "function",
            "function": {
                "name": call.function.name,
                "arguments": _arguments(call.function.arguments),
            },
        }
        self.count += 1
        return written


def _arguments(raw: Raw) -> str:
    text = bytes(raw).decode(errors="replace")
    return "{}" if text == "null" else text


def openai_logprobs(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's `logprobs` of a choice; `bytes` and `top_logprobs` are filled in where missing."""
    return {"content": [_entry(entry) | _top(entry) for entry in entries], "refusal": None}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    token = str(entry.get("token", ""))
    given = entry.get("bytes")
    return {
        "token": token,
        "logprob": entry.get("logprob", 0.0),
        "bytes": list(token.encode()) if given is None else given,
    }


def _top(entry: dict[str, Any]) -> dict[str, Any]:
    top = entry.get("top_logprobs")
    found = [_entry(one) for one in top if isinstance(one, dict)] if isinstance(top, list) else []
    return {"top_logprobs": found}
