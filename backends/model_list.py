"""Answers of `/v1/models`, with the extensions in which runners tell a model's context length."""

from __future__ import annotations

from typing import Any

from backends.base import ModelCard
from backends.probing import Answer

CONTEXT_FIELDS = ("max_model_len", "context_length", "max_context_length")
"""vLLM and SGLang; llama-server's router, OpenRouter and its like; LM Studio."""


def read_cards(answer: Answer) -> tuple[ModelCard, ...]:
    """The models that a runner lists; entries that are not models are left out."""
    cards = []
    for item in _items(answer):
        name = item.get("id")
        if not isinstance(name, str) or not name:
            continue
        aliases = item.get("aliases")
        aliases = aliases if isinstance(aliases, list) else []
        cards.append(
            ModelCard(
                name,
                tuple(alias for alias in aliases if isinstance(alias, str) and alias != name),
                _context_length(item),
            )
        )
    return tuple(cards)


def owners(answer: Answer) -> list[str]:
    """Who the models belong to, as the runner has it; its own name with most runners."""
    return [str(item["owned_by"]) for item in _items(answer) if "owned_by" in item]


def _items(answer: Answer) -> list[dict[str, Any]]:
    data = answer.fields().get("data")
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


def _context_length(item: dict[str, Any]) -> int | None:
    meta = item.get("meta")
    # llama-server: n_ctx is what one slot has, n_ctx_train what the model was made for.
    told = [meta.get("n_ctx") if isinstance(meta, dict) else None]
    told += [item.get(name) for name in CONTEXT_FIELDS]
    return next((value for value in told if isinstance(value, int) and value > 0), None)
