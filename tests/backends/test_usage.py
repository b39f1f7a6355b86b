from __future__ import annotations

from typing import Any

import pytest

from backends.base import Operation, Usage
from backends.usage import estimate_prompt_tokens, read_usage, usage_object
from tests.fakes.recording import make_call


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "x" * 40}]}, 10),
        (
            {
                "messages": [
                    {"content": [{"type": "text", "text": "x" * 40}, {"type": "image_url"}]}
                ]
            },
            10,
        ),
        ({"messages": [{"content": None}]}, 1),
        ({"prompt": "ü" * 20}, 10),
        ({"prompt": ["x" * 8, "y" * 8]}, 4),
        ({"prompt": [1, 2, 3]}, 3),
        ({"input": "x"}, 1),
        ({}, 0),
    ],
)
def test_a_prompt_is_estimated_by_its_text(fields: dict[str, Any], tokens: int) -> None:
    assert estimate_prompt_tokens(make_call(Operation.CHAT, fields)) == tokens


def test_usage_is_written_as_it_is_read() -> None:
    for usage in (Usage(3, 2), Usage(3, 2, 1), Usage(0, 0)):
        assert read_usage(usage_object(usage)) == usage
    assert "prompt_tokens_details" not in usage_object(Usage(3, 2))
