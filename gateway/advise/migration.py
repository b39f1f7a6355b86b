"""What changes for clients when a model moves from one backend to another. Pure, a table.

Each line was reported by people who moved. Only what the requests at hand make use of is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.base import BackendKind
from gateway.advise.use import Use


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, and what to do about it."""

    area: str
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    use: Use | None
    """None: it concerns everybody."""
    area: str
    text: str
    to: frozenset[BackendKind]
    source: frozenset[BackendKind] | None = None
    """The backends it changes from; None: all others."""


_VLLM: frozenset[BackendKind] = frozenset({"vllm"})
_LLAMACPP: frozenset[BackendKind] = frozenset({"llamacpp"})
_OLLAMA: frozenset[BackendKind] = frozenset({"ollama"})
_LCP: frozenset[BackendKind] = frozenset({"llama-cpp-python"})

_ROWS = (
    _Row(
        None,
        "names",
        "vLLM knows a model by its Hugging Face id or --served-model-name, not by name:tag; the "
        "target above gives it the public name, so clients change nothing.",
        _VLLM,
    ),
    _Row(
        None,
        "names",
        "llama-server answers under any name, also a wrong one; the gateway checks names instead.",
        _LLAMACPP,
        _OLLAMA | _VLLM,
    ),
    _Row(
        None,
        "model count",
        "One vLLM process serves one model; Ollama swaps many. Each further model needs a runner.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        None,
        "sampling defaults",
        "Temperature and its like come from generation_config.json and not from the Modelfile or "
        "the command line: the same model answers differently unless requests say them.",
        _VLLM,
    ),
    _Row(
        None,
        "sampling defaults",
        "Temperature and its like come from the command line and not from the Modelfile: the same "
        "model answers differently unless requests say them.",
        _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.CONTEXT,
        "context length",
        "The window is fixed when vLLM starts (--max-model-len); num_ctx of a request has no "
        "effect, and a prompt that is too long is refused with 400 instead of being cut silently.",
        _VLLM,
    ),
    _Row(
        Use.CONTEXT,
        "context length",
        "The window is fixed when llama-server starts (-c, shared by its slots); num_ctx of a "
        "request has no effect, and a prompt that is too long is refused with 400.",
        _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.TOOLS,
        "tools",
        "vLLM needs --enable-auto-tool-choice and the --tool-call-parser of the model's family; "
        "without them a request with tools is refused with 400.",
        _VLLM,
    ),
    _Row(
        Use.TOOLS,
        "tools",
        "llama-server needs a chat template that knows tools (check chat_template_caps in /props).",
        _LLAMACPP,
        _OLLAMA | _LCP,
    ),
    _Row(
        Use.JSON_SCHEMA,
        "JSON schema",
        'format (json or a schema) is Ollama\'s own: send response_format with type "json_schema" '
        "instead; the schema is then enforced while tokens are chosen.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.JSON_SCHEMA,
        "JSON schema",
        "llama-cpp-python ignores json_schema silently; vLLM and llama-server enforce it, so an "
        "answer that got through before may now be another.",
        _VLLM | _LLAMACPP,
        _LCP,
    ),
    _Row(
        Use.THINKING,
        "thinking",
        "think and reasoning_effort do not switch it: send chat_template_kwargs "
        '{"enable_thinking": false}, and start vLLM with the --reasoning-parser of the family.',
        _VLLM,
    ),
    _Row(
        Use.THINKING,
        "thinking",
        "think does not switch it: send chat_template_kwargs, or start llama-server with "
        "--reasoning-budget 0. The text arrives as reasoning_content.",
        _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.TOKEN_LIMIT,
        "token limits",
        "Ollama's /v1 ignored max_completion_tokens; vLLM and llama-server obey it, so answers "
        "that ran on may now end early. A limit above the window is refused by vLLM with 400.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.TOKEN_LIMIT,
        "token limits",
        "Prompt and max_tokens together must fit into --max-model-len, else vLLM answers 400.",
        _VLLM,
        _LLAMACPP | _LCP | frozenset({"openai"}),
    ),
    _Row(
        Use.KEEP_ALIVE,
        "keep_alive",
        "There is no such thing: the model stays loaded as long as the runner runs.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.IMAGES,
        "images",
        "Images need a model with vision on the new runner (llama-server: --mmproj); urls are "
        "fetched by the runner there, Ollama took base64 only.",
        _VLLM | _LLAMACPP,
    ),
    _Row(
        Use.EMBEDDINGS,
        "embeddings",
        "One process either chats or embeds: start another runner for embeddings.",
        _VLLM | _LLAMACPP,
    ),
    _Row(
        Use.CHOICES,
        "n, logit_bias, tool_choice",
        "Ollama's /v1 dropped them without an error; now they take effect.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
    _Row(
        Use.NATIVE_API,
        "Ollama's own API",
        "Clients that speak /api/chat or /api/generate must change to /v1: vLLM and llama-server "
        "do not have it.",
        _VLLM | _LLAMACPP,
        _OLLAMA,
    ),
)


def changes(
    source: BackendKind, destination: BackendKind, uses: frozenset[Use]
) -> tuple[Change, ...]:
    """What changes between two backends for requests of this kind; nothing if both are the same."""
    if source == destination:
        return ()
    return tuple(
        Change(row.area, row.text)
        for row in _ROWS
        if destination in row.to
        and (row.source is None or source in row.source)
        and (row.use is None or row.use in uses)
    )
