"""Prompts of text completion and inputs of embeddings: Ollama takes text, never token ids."""

from __future__ import annotations

import re

from msgspec import Raw

from backends.errors import RequestUnsupported
from backends.ollama_native.value import decode
from backends.request_body import raw

_LIST = re.compile(rb"\s*\[")
_TOKEN_IDS = re.compile(rb"\s*\[\s*[\[\-0-9]")


def one_prompt(prompt: Raw) -> Raw:
    """The prompt as one string; a list of one string is the same request.

    Raises `RequestUnsupported` for several prompts and for token ids, which other runners take.
    """
    if not _LIST.match(prompt):
        return prompt
    prompts = decode(prompt, "prompt")
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise RequestUnsupported(
            "'prompt' must be one string for Ollama, not several prompts or token ids",
            param="prompt",
        )
    return raw(prompts[0])


def text_input(given: Raw) -> Raw:
    """The input of embeddings as it is. Raises `RequestUnsupported` for token ids."""
    if _TOKEN_IDS.match(given):
        raise RequestUnsupported(
            "'input' must be a string or a list of strings for Ollama, not token ids", param="input"
        )
    return given
