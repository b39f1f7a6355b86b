"""OpenAI's chat and text completions, as every runner of ours speaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.bench.dialects.base import ERROR_IN_STREAM, EventReader, Reader, bearer, given
from gateway.bench.prompts import Prompt


class _Delta(Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Chunk).decode


class OpenAIReader(EventReader):
    """Reads a stream of either operation."""

    __slots__ = ()

    def _data(self, data: bytes) -> int:
        if data == b"[DONE]":
            self.ended = True
            return 0
        chunk = _decode(data)
        pieces = 0
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self.finished = True
            delta = choice.delta
            if choice.text or (delta is not None and _says(delta)):
                pieces += 1
        if chunk.usage is not None:
            self.input_tokens = chunk.usage.prompt_tokens
            self.output_tokens = chunk.usage.completion_tokens
        if given(chunk.error):
            self.fault = ERROR_IN_STREAM
        return pieces


def _says(delta: _Delta) -> bool:
    return bool(
        delta.content
        or delta.reasoning
        or delta.reasoning_content
        or delta.tool_calls
        or delta.refusal
    )


class ChatDialect:
    """`/v1/chat/completions`."""

    path = "/v1/chat/completions"

    def headers(self, api_key: str | None) -> tuple[tuple[str, str], ...]:
        return bearer(api_key)

    def body(self, model: str, prompt: Prompt, *, exact_for: str | None) -> Mapping[str, Any]:
        return {"model": model, "messages": prompt.messages} | _rest(prompt, exact_for)

    def reader(self) -> Reader:
        return OpenAIReader()


class CompletionsDialect:
    """`/v1/completions`."""

    path = "/v1/completions"

    def headers(self, api_key: str | None) -> tuple[tuple[str, str], ...]:
        return bearer(api_key)

    def body(self, model: str, prompt: Prompt, *, exact_for: str | None) -> Mapping[str, Any]:
        return {"model": model, "prompt": prompt.text} | _rest(prompt, exact_for)

    def reader(self) -> Reader:
        return OpenAIReader()


def _rest(prompt: Prompt, exact_for: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "max_tokens": prompt.max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if exact_for in ("vllm", "llamacpp"):
        fields["ignore_eos"] = True
    if exact_for == "vllm":
        fields["min_tokens"] = prompt.max_tokens
    return fields
