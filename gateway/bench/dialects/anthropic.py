"""Anthropic's `/v1/messages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.bench.dialects.base import ERROR_IN_STREAM, EventReader, Reader, given
from gateway.bench.prompts import Prompt


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Start(Struct, gc=False):
    usage: _Usage | None = None


class _Delta(Struct, gc=False):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Event(Struct, gc=False):
    type: str = ""
    message: _Start | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Event).decode


class AnthropicReader(EventReader):
    """Reads a stream of messages."""

    __slots__ = ()

    def _data(self, data: bytes) -> int:
        event = _decode(data)
        delta = event.delta
        if event.type == "content_block_delta" and delta is not None:
            return 1 if delta.text or delta.thinking or delta.partial_json else 0
        if event.type == "message_start" and event.message is not None:
            self._count(event.message.usage)
        elif event.type == "message_delta":
            self.finished |= delta is not None and delta.stop_reason is not None
            self._count(event.usage)
        elif event.type == "message_stop":
            self.ended = True
        if given(event.error):
            self.fault = ERROR_IN_STREAM
        return 0

    def _count(self, usage: _Usage | None) -> None:
        if usage is None:
            return
        # The last count is the whole; the first event only tells what is known by then.
        self.input_tokens = usage.input_tokens or self.input_tokens
        self.output_tokens = usage.output_tokens or self.output_tokens


class AnthropicDialect:
    """`/v1/messages`. The key goes out under both names, because servers read one or the other."""

    path = "/v1/messages"

    def headers(self, api_key: str | None) -> tuple[tuple[str, str], ...]:
        fixed = (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))
        if api_key is None:
            return fixed
        return (*fixed, ("x-api-key", api_key), ("authorization", f"Bearer {api_key}"))

    def body(self, model: str, prompt: Prompt, *, exact_for: str | None) -> Mapping[str, Any]:
        system = [m["content"] for m in prompt.messages if m["role"] == "system"]
        fields: dict[str, Any] = {
            "model": model,
            "messages": [m for m in prompt.messages if m["role"] != "system"],
            "max_tokens": prompt.max_tokens,
            "temperature": 0,
            "stream": True,
        }
        if system and all(isinstance(text, str) for text in system):
            fields["system"] = "\n\n".join(system)
        return fields

    def reader(self) -> Reader:
        return AnthropicReader()
