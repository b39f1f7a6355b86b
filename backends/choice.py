"""What OpenAI clients expect of one choice, and how runners' choices are mended to give it.

Finish reasons that OpenAI does not know are mapped. `repetition` (vLLM stopped a model that
repeated itself) becomes `length`: the answer was cut short, and clients treat `length` so, while
`stop` would call it complete. `abort` and `error` are no finish at all but a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {"eos_token": "stop", "stop_sequence": "stop", "repetition": "length"}
)
FAILED_REASONS = frozenset({"abort", "error"})


def mend_finish(choice: dict[str, Any]) -> str | None:
    """Map the finish reason in place and return it; None while the choice goes on."""
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or not reason:
        choice["finish_reason"] = None
        return None
    reason = choice["finish_reason"] = FINISH_REASONS.get(reason, reason)
    return reason


def mend_reasoning(message: dict[str, Any]) -> None:
    """Give both names of the thinking text: clients read one or the other.

    vLLM, Ollama and MLX write `reasoning`; llama-server and SGLang write `reasoning_content`.
    """
    thinking = message.get("reasoning")
    if thinking is None:
        thinking = message.get("reasoning_content")
    if thinking is not None:
        message["reasoning"] = message["reasoning_content"] = thinking


def generated(part: Mapping[str, Any]) -> bool:
    """Whether a delta (or a choice of text completion) brings anything that a model generated."""
    return any(
        part.get(name)
        for name in ("content", "text", "tool_calls", "reasoning", "reasoning_content", "refusal")
    ) or bool(part.get("function_call"))
