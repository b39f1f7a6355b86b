"""What was generated, as choices of OpenAI's two kinds of completion."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar, Protocol

from msgspec import Raw

from backends.ollama_native.line import Line, Message, ToolCall

Choice = dict[str, Any]


class Choices(Protocol):
    """Writes the choices of one reply; one object serves one reply."""

    prefix: ClassVar[str]
    """Of the reply's id."""
    kind: ClassVar[str]
    """`object` of a whole reply."""
    chunk_kind: ClassVar[str]
    """`object` of a chunk."""

    def opening(self) -> list[Choice]:
        """What goes out before anything that was generated."""
        ...

    def pieces(self, line: Line) -> list[Choice]:
        """What a line of a stream brings, one choice for each piece."""
        ...

    def closing(self, reason: str) -> Choice:
        """The last choice of a stream."""
        ...

    def whole(self, line: Line, reason: str) -> Choice:
        """The only choice of a whole reply."""
        ...


class ChatChoices:
    """Choices of a chat completion."""

    prefix: ClassVar[str] = "chatcmpl"
    kind: ClassVar[str] = "chat.completion"
    chunk_kind: ClassVar[str] = "chat.completion.chunk"

    def __init__(self) -> None:
        self._call_ids: list[str] = []

    def opening(self) -> list[Choice]:
        """See `Choices.opening`: the role."""
        return [_delta({"role": "assistant", "content": ""})]

    def pieces(self, line: Line) -> list[Choice]:
        """See `Choices.pieces`: thinking first, then text, then tool calls."""
        message = line.message or Message()
        pieces = []
        if message.thinking:
            pieces.append(_delta(_reasoning(message.thinking)))
        if message.content or line.logprobs:
            pieces.append(_delta({"content": message.content or ""}, line.logprobs))
        if message.tool_calls:
            pieces.append(_delta({"tool_calls": self._calls(message.tool_calls)}))
        return pieces

    def closing(self, reason: str) -> Choice:
        """See `Choices.closing`."""
        return _delta({}, reason=self._reason(reason))

    def whole(self, line: Line, reason: str) -> Choice:
        """See `Choices.whole`."""
        given = line.message or Message()
        message: dict[str, Any] = {"role": "assistant", "content": given.content or ""}
        if given.thinking:
            message.update(_reasoning(given.thinking))
        if given.tool_calls:
            calls = self._calls(given.tool_calls)
            message["content"] = given.content or None
            message["tool_calls"] = [
                {name: value for name, value in call.items() if name != "index"} for call in calls
            ]
        return {
            "index": 0,
            "message": message,
            "logprobs": _logprobs(line.logprobs),
            "finish_reason": self._reason(reason),
        }

    def _reason(self, reason: str) -> str:
        return "tool_calls" if self._call_ids else reason

    def _calls(self, calls: list[ToolCall]) -> list[dict[str, Any]]:
        # Ollama's own index starts again in every line, and older releases send no id.
        written = []
        for call in calls:
            call_id = call.id
            if not call_id or call_id in self._call_ids:
                call_id = f"call_{secrets.token_hex(12)}"
            function = {"name": call.function.name, "arguments": _text(call.function.arguments)}
            written.append(
                {
                    "index": len(self._call_ids),
                    "id": call_id,
                    "type": "function",
                    "function": function,
                }
            )
            self._call_ids.append(call_id)
        return written


class TextChoices:
    """Choices of a text completion. What a model thinks is left out, as Ollama's `/v1` does."""

    prefix: ClassVar[str] = "cmpl"
    kind: ClassVar[str] = "text_completion"
    chunk_kind: ClassVar[str] = "text_completion"

    def opening(self) -> list[Choice]:
        """See `Choices.opening`: text completion knows no role."""
        return []

    def pieces(self, line: Line) -> list[Choice]:
        """See `Choices.pieces`."""
        return [_text_choice(line.response, None)] if line.response else []

    def closing(self, reason: str) -> Choice:
        """See `Choices.closing`."""
        return _text_choice("", reason)

    def whole(self, line: Line, reason: str) -> Choice:
        """See `Choices.whole`."""
        return _text_choice(line.response or "", reason)


def _delta(
    delta: dict[str, Any],
    logprobs: list[dict[str, Any]] | None = None,
    reason: str | None = None,
) -> Choice:
    return {
        "index": 0,
        "delta": delta,
        "logprobs": _logprobs(logprobs),
        "finish_reason": reason,
    }


def _text_choice(text: str, reason: str | None) -> Choice:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def _reasoning(thinking: str) -> dict[str, str]:
    # Clients read one name or the other.
    return {"reasoning": thinking, "reasoning_content": thinking}


def _text(arguments: Raw) -> str:
    text = bytes(arguments).decode(errors="replace")
    return "{}" if text == "null" else text


def _logprobs(entries: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    if not entries:
        return None
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
