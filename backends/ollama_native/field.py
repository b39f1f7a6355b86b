"""Which fields of a request Ollama understands, and which it accepts and does nothing with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backends.base import Operation
from backends.ollama_native.option import ALLOWED, RENAMED
from backends.request_body import SCHEDULING_FIELDS

_SHARED_IGNORED = frozenset({"n", "best_of", "logit_bias"})

V1_IGNORED: Mapping[Operation, frozenset[str]] = MappingProxyType(
    {
        Operation.CHAT: _SHARED_IGNORED
        | {
            "audio",
            "chat_template_kwargs",
            "function_call",
            "functions",
            "grammar",
            "guided_choice",
            "guided_grammar",
            "guided_json",
            "guided_regex",
            "ignore_eos",
            "json_schema",
            "min_tokens",
            "modalities",
            "parallel_tool_calls",
            "structured_outputs",
            "tool_choice",
            "verbosity",
            "web_search_options",
        },
        Operation.COMPLETIONS: _SHARED_IGNORED
        | {
            "echo",
            "guided_choice",
            "guided_grammar",
            "guided_json",
            "guided_regex",
            "ignore_eos",
            "min_tokens",
            "response_format",
        },
        Operation.EMBEDDINGS: frozenset({"num_ctx", "options", "truncate"}),
    }
)
"""Fields that `/v1` accepts and drops (`openai/openai.go` reads no others), as far as clients of
OpenAI, vLLM and llama.cpp send them. A field that is not named here is passed on unreported: a
newer Ollama may know it."""

_SETTINGS = ALLOWED | frozenset(RENAMED) | {"model", "options", "stream", "stream_options"}

NATIVE_UNDERSTOOD: Mapping[Operation, frozenset[str]] = MappingProxyType(
    {
        Operation.CHAT: _SETTINGS
        | {
            "logprobs",
            "messages",
            "reasoning",
            "reasoning_effort",
            "response_format",
            "think",
            "tools",
            "top_logprobs",
        },
        Operation.COMPLETIONS: _SETTINGS | {"prompt", "suffix"},
        Operation.EMBEDDINGS: _SETTINGS | {"dimensions", "encoding_format", "input"},
    }
)
"""Fields that a native request carries in some form. Every other one is lost in translation."""

HARMLESS = SCHEDULING_FIELDS | {
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
}
"""Fields that may be lost without a word: no answer is different for them."""
