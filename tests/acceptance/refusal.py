"""What every refusal of the gateway must look like."""

from __future__ import annotations

from typing import Any

from tests.acceptance.raw_http import Answer

AT_ONCE_S = 1.0
"""A refusal that needs no waiting takes a millisecond; this leaves room for a busy machine."""


def error_of(answer: Answer, status: int) -> dict[str, Any]:
    """The error object; fails unless the answer is a refusal in OpenAI's shape."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    document = answer.json
    assert set(document) == {"error"}
    error: dict[str, Any] = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["type"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    message = error["message"]
    assert isinstance(message, str)
    assert len(message) > 10
    assert not any(word in message for word in ("Traceback", "Error(", "msgspec", "<class", "\n"))
    return error
