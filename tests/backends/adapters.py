"""Adapters for tests of what they do without a runner."""

from __future__ import annotations

import json
from typing import Any

from backends.base import Backend, BackendKind, Operation, Prepared, TargetModel
from backends.catalog import connect
from backends.transport import Transport
from tests.fakes.recording import make_call

MESSAGES = [{"role": "user", "content": "Say hello."}]


def adapter(kind: BackendKind, url: str = "http://127.0.0.1:1", **options: Any) -> Backend:
    """The adapter of `kind` for a runner called r."""
    return connect(kind, Transport(url), name="r", **options)


def prepare(kind: BackendKind, operation: Operation = Operation.CHAT, /, **fields: Any) -> Prepared:
    """A request to the model `tiny`, in the dialect of `kind`."""
    call = make_call(operation, {"model": "public"} | fields)
    return adapter(kind).prepare(call, TargetModel("tiny"))


def sent(kind: BackendKind, operation: Operation = Operation.CHAT, /, **fields: Any) -> Any:
    """The body of such a request, decoded."""
    return json.loads(prepare(kind, operation, **fields).body)
