"""What a request is charged before anybody knows what it will take."""

from __future__ import annotations

BYTES_PER_TOKEN = 4
"""Of JSON in English; other scripts and code have fewer. The settlement corrects it."""
USUAL_ANSWER = 256
"""Tokens of an answer whose length the caller did not bound."""


def estimate_tokens(
    body_bytes: int, max_tokens: int | None, *, usual_answer: int = USUAL_ANSWER
) -> int:
    """Tokens of the prompt and the answer together, at least 1.

    What the caller allows is a bound and no estimate: many clients always send a large one.
    """
    answer = usual_answer if max_tokens is None or max_tokens > usual_answer else max_tokens
    return max(1, body_bytes // BYTES_PER_TOKEN + answer)
