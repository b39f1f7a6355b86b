"""Calls as the gateway would make them, for the tests of the Ollama adapter."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import Raw

from backends.base import Call, Operation, TargetModel

TARGET = TargetModel("llama3:8b")
HELLO = [{"role": "user", "content": "Hi"}]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
"""Any JSON value."""


def call(operation: Operation = Operation.CHAT, /, **fields: Any) -> Call:
    """A call whose body is `fields`, with a model and a message unless they are given."""
    body: dict[str, Any] = {"model": "public"}
    if operation is Operation.CHAT:
        body["messages"] = HELLO
    body |= fields
    raw = msgspec.json.decode(json.dumps(body), type=dict[str, Raw])
    return Call(
        operation,
        "public",
        raw,
        stream=bool(body.get("stream")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        choices=body.get("n") or 1,
    )
