"""Ollama's own `/api/chat`: one JSON object a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.bench.dialects.base import ERROR_IN_STREAM, Reader, bearer, given
from gateway.bench.prompts import Prompt


class _Message(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Any] | None = None


class _Line(Struct, gc=False):
    message: _Message | None = None
    done: bool = False
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Line).decode


class OllamaReader(Reader):
    """Reads a stream of lines. `done` is its finish reason and its end mark in one."""

    __slots__ = ()

    def feed(self, data: bytes) -> int:
        return self._each(_lines, data, self._line)

    def _line(self, data: bytes) -> int:
        if not data.strip():
            return 0
        line = _decode(data)
        if line.done:
            self.finished = self.ended = True
            self.input_tokens = line.prompt_eval_count
            self.output_tokens = line.eval_count
        if given(line.error):
            self.fault = ERROR_IN_STREAM
        message = line.message
        if message is None:
            return 0
        return 1 if message.content or message.thinking or message.tool_calls else 0


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = data.split(b"\n")
    return lines, rest


class OllamaDialect:
    """`/api/chat`. Ollama has no option that makes a model write on past its end."""

    path = "/api/chat"

    def headers(self, api_key: str | None) -> tuple[tuple[str, str], ...]:
        return bearer(api_key)

    def body(self, model: str, prompt: Prompt, *, exact_for: str | None) -> Mapping[str, Any]:
        return {
            "model": model,
            "messages": prompt.messages,
            "stream": True,
            "options": {"num_predict": prompt.max_tokens, "temperature": 0},
        }

    def reader(self) -> Reader:
        return OllamaReader()
