"""What is asked: one prompt, those of a file, or made ones of a wanted length."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bench.result import PromptFacts
from gateway.bench.words import WORDS

LEAD = "<lead>"
"""Where in a prompt each request gets words of its own."""
LEAD_WORDS = 4
"""Of some two hundred: one and a half thousand million beginnings."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One conversation to be answered."""

    messages: tuple[Mapping[str, Any], ...]
    """In OpenAI's shape."""
    max_tokens: int

    @property
    def text(self) -> str:
        """All of it as one text, for APIs without messages."""
        return "\n\n".join(m["content"] for m in self.messages if isinstance(m["content"], str))


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of a run, and what may be told of them."""

    facts: PromptFacts
    prompts: tuple[Prompt, ...]


def fixed_prompt(text: str, output_tokens: int, *, exact: bool) -> Prompts:
    """The same prompt every time: a runner with a prompt cache will use it."""
    facts = PromptFacts(
        kind="fixed",
        count=1,
        source=None,
        input_tokens=None,
        output_tokens=output_tokens,
        exact_output=exact,
    )
    return Prompts(facts, (user_prompt(text, output_tokens),))


def user_prompt(text: str, max_tokens: int) -> Prompt:
    """A conversation of one message."""
    return Prompt(({"role": "user", "content": text},), max_tokens)


def synthetic_prompts(
    input_tokens: int,
    output_tokens: int,
    *,
    words: int,
    seed: int,
    exact: bool,
    spread: float = 0.0,
    count: int = 32,
) -> Prompts:
    """Made prompts of `words` words each, which are meant to be `input_tokens` tokens.

    Answers are `output_tokens` long on average, evenly between 1 - `spread` and 1 + `spread` times
    that. Each request begins with words of its own, so that no runner answers from its prompt
    cache.
    """
    draw = random.Random(seed)
    body = max(0, words - LEAD_WORDS)
    facts = PromptFacts(
        kind="synthetic",
        count=count,
        source=None,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        exact_output=exact,
        output_spread=spread,
    )
    texts = [" ".join([LEAD, *draw.choices(WORDS, k=body)]) for _ in range(count)]
    lengths = answer_lengths(output_tokens, spread, count)
    return Prompts(facts, tuple(map(user_prompt, texts, lengths)))


def answer_lengths(mean: int, spread: float, count: int) -> list[int]:
    """Tokens of each answer: at even distances and not drawn, so that their mean is `mean`."""
    places = (2 * (number + 0.5) / count - 1 for number in range(count))
    return [max(1, round(mean * (1 + spread * place))) for place in places]


def supply(bodies: tuple[bytes, ...], seed: str, name: str = "") -> Callable[[], bytes]:
    """An endless source of request bodies: all of them in a shuffled order, again and again.

    The order is that of `seed`, and so the same for all that are compared. A body that holds `LEAD`
    gets words there that no other request of this seed and `name` is likely to have.
    """
    order = random.Random(seed).sample(bodies, len(bodies))
    draw = random.Random(f"{seed}/{name}")
    parts = [body.partition(LEAD.encode()) for body in order]
    position = 0

    def next_body() -> bytes:
        nonlocal position
        before, marker, after = parts[position]
        position = (position + 1) % len(parts)
        if not marker:
            return before
        return before + " ".join(draw.choices(WORDS, k=LEAD_WORDS)).encode() + after

    return next_body
