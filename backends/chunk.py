"""The chunks of a streamed reply, looked at only as far as the decision to mend them needs.

Decoding into these types skips every field they do not name: 0.4 µs for an ordinary chunk,
against 0.7 µs for a dict of everything plus 0.3 µs to write that again.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from backends.errors import RunnerRefused
from backends.sse import DONE

_NO_TEXT = (b'""', b"null")


class Delta(msgspec.Struct, gc=False):
    """What a chat chunk adds to one choice."""

    content: Any = None
    reasoning: Raw | UnsetType = UNSET
    reasoning_content: Raw | UnsetType = UNSET
    tool_calls: Any = None
    function_call: Any = None


class ChunkChoice(msgspec.Struct, gc=False):
    """One choice of a chunk: `delta` in chat, `text` in text completion."""

    index: int = 0
    delta: Delta | None = None
    text: Any = None
    finish_reason: Any = None

    @property
    def brings(self) -> bool:
        """Whether it brings anything that the model generated."""
        delta = self.delta
        if delta is None:
            return bool(self.text)
        thinking = (delta.reasoning, delta.reasoning_content)
        return bool(delta.content or delta.tool_calls or delta.function_call) or any(
            value is not UNSET and bytes(value) not in _NO_TEXT for value in thinking
        )


class Chunk(msgspec.Struct, gc=False):
    """One event of a streamed reply."""

    choices: list[ChunkChoice] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


def name_thinking_twice(event: bytes, delta: Delta) -> bytes | None:
    """`event` with the thinking text under both its names (see `choice.mend_reasoning`).

    None when that cannot be done in the bytes, because the key is written in a way we do not know.
    """
    if delta.reasoning is UNSET:
        name, twin, value = b'"reasoning_content":', b',"reasoning":', delta.reasoning_content
    elif delta.reasoning_content is UNSET:
        name, twin, value = b'"reasoning":', b',"reasoning_content":', delta.reasoning
    else:
        return event if bytes(delta.reasoning) == bytes(delta.reasoning_content) else None
    text = b"" if value is UNSET else bytes(value)
    if text == b"null":
        return event
    for gap in (b"", b" "):
        before, found, after = event.partition(name + gap + text)
        if found:
            return before + found + twin + text + after
    return None


def chunk_event(chunk: dict[str, Any]) -> bytes:
    """A chunk as an event of the stream."""
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def error_event(
    message: str, *, type: str = "server_error", param: str | None = None, code: str | None = None
) -> bytes:
    """The event that ends a stream which failed; OpenAI's SDKs raise on it. No `[DONE]` follows."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"


def refusal_event(refused: RunnerRefused) -> bytes:
    """A runner's own error as the event that ends a stream."""
    return error_event(refused.message, type=refused.type, param=refused.param, code=refused.code)


__all__ = [
    "DONE",
    "Chunk",
    "ChunkChoice",
    "Delta",
    "chunk_event",
    "decode_chunk",
    "error_event",
    "refusal_event",
]
