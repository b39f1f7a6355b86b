"""Lines as Ollama streams them, and the events that come of them, for the tests of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from backends.ollama_native.choice import ChatChoices
from backends.ollama_native.reply import Stamp
from backends.ollama_native.stream import NativeStreamReader

STAMP = Stamp(id="chatcmpl-1f", created=1795176000, model="public")
RUNNER = "runner laptop (ollama)"
CREATED_AT = "2026-11-20T12:00:00.123456789Z"
COUNTS = {"prompt_eval_count": 11, "eval_count": 3, "total_duration": 5191566416}
ADD = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}


def line(done: bool = False, **fields: Any) -> dict[str, Any]:
    """A line of a reply: `message` fields among `fields` go into the message."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for name in ("content", "thinking", "tool_calls"):
        if name in fields:
            message[name] = fields.pop(name)
    head = {"model": "llama3:8b", "created_at": CREATED_AT, "message": message, "done": done}
    return head | fields


def end(reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    told = {} if reason is None else {"done_reason": reason}
    return line(True, **fields, **told, **COUNTS)


def ndjson(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def stream(*, include_usage: bool = False) -> NativeStreamReader:
    return NativeStreamReader(STAMP, ChatChoices(), include_usage=include_usage, runner=RUNNER)


def events(sent: bytes) -> list[Any]:
    """The decoded events of a stream; every one must be whole."""
    assert sent == b"" or sent.endswith(b"\n\n")
    datas = [event.removeprefix(b"data: ") for event in sent.split(b"\n\n")[:-1]]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in datas]


def deltas(chunks: Sequence[Any]) -> list[Any]:
    return [
        chunk["choices"][0]["delta"]
        for chunk in chunks
        if isinstance(chunk, dict) and chunk.get("choices")
    ]
