"""Request bodies, and what is made of them."""

from __future__ import annotations

import pytest

from backends.base import Call, Operation
from gateway.errors import InvalidRequest
from gateway.inference.envelope import read_call

MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

CHAT = Operation.CHAT
COMPLETIONS = Operation.COMPLETIONS
EMBEDDINGS = Operation.EMBEDDINGS


def chat(more: str = "") -> bytes:
    """A good chat request, with `more` fields as they are."""
    return f'{{"model":"llama3",{MESSAGES}{"," + more if more else ""}}}'.encode()


def refused(body: bytes | str, operation: Operation = CHAT) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read_call(operation, body.encode() if isinstance(body, str) else body)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


def refusal(body: bytes, operation: Operation = CHAT) -> InvalidRequest | None:
    """The error, if there is one; any other than `InvalidRequest` fails the test."""
    try:
        read_call(operation, body)
    except InvalidRequest as error:
        return error
    return None


def untouched(call: Call) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in call.fields.items()}
