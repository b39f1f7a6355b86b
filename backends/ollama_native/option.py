"""Sampling and context settings: OpenAI's fields, the caller's `options`, the operator's pins.

What a caller may set is an allow-list of settings that shape one answer. Everything that is fixed
when a model is loaded (`num_gpu`, `num_batch`, ...) belongs to the operator, because a request that
differs in it makes Ollama load the model anew for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Raw

from backends.ollama_native.value import decode, expect, is_null

ALLOWED = frozenset(
    {
        "frequency_penalty",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_ctx",
        "num_keep",
        "num_predict",
        "penalize_newline",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
    }
)
"""Ollama's options that a caller may set, inside `options` or beside the model name."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "max_tokens": "num_predict",
        "max_completion_tokens": "num_predict",
        "repetition_penalty": "repeat_penalty",
    }
)
"""Fields of OpenAI and vLLM that are an option under another name; the later one wins."""

TOP_LEVEL = frozenset({"keep_alive", "truncate", "shift", "think"})
"""Pins that stand beside the model name in Ollama's API; all others go into `options`."""

DEFAULTS: Mapping[str, float] = MappingProxyType({"temperature": 1.0, "top_p": 1.0})
"""What Ollama's own `/v1` sends for a caller who names no value. Sent here too, so that a request
does not change its sampling because a token limit took it to the other API."""


def native_options(
    fields: Mapping[str, Raw],
    pinned: Mapping[str, Any],
    defaults: Mapping[str, float] = DEFAULTS,
) -> tuple[dict[str, Any], list[str]]:
    """The `options` to send, and the names of the caller's settings that are not honoured.

    The operator's pins win over everything; a pin of None leaves the setting to the Modelfile.
    Among the caller's settings a field beside the model name wins over one in `options`. Whether
    a value makes sense is left to Ollama. Raises `RequestUnsupported` for `options` that are none.
    """
    wanted, ignored = _wanted(fields)
    settings = {name: value for name, value in pinned.items() if name not in TOP_LEVEL}
    ignored += [
        given
        for name, (given, value) in wanted.items()
        if name in settings and settings[name] != value
    ]
    options: dict[str, Any] = dict(defaults)
    options.update({name: value for name, (_, value) in wanted.items()})
    options.update(settings)
    return {name: value for name, value in options.items() if value is not None}, ignored


def pinned_fields(pinned: Mapping[str, Any]) -> dict[str, Any]:
    """The pins that stand beside the model name."""
    return {name: value for name, value in pinned.items() if name in TOP_LEVEL}


def _wanted(fields: Mapping[str, Raw]) -> tuple[dict[str, tuple[str, Any]], list[str]]:
    """Option name -> (the name the caller gave it, value), and what is not allowed."""
    wanted: dict[str, tuple[str, Any]] = {}
    ignored: list[str] = []
    nested = fields.get("options")
    if nested is not None and not is_null(nested):
        for name, value in expect(decode(nested, "options"), dict, "options", "an object").items():
            if name not in ALLOWED:
                ignored.append(f"options.{name}")
            elif value is not None:
                wanted[name] = (f"options.{name}", _stops(name, value))
    for given in (*ALLOWED, *RENAMED):
        raw = fields.get(given)
        if raw is not None and not is_null(raw):
            name = RENAMED.get(given, given)
            wanted[name] = (given, _stops(name, decode(raw, given)))
    return wanted, ignored


def _stops(name: str, value: object) -> object:
    return [value] if name == "stop" and isinstance(value, str) else value
