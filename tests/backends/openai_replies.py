"""What the tests of OpenAI-compatible streams and replies have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from backends.base import Operation, Prepared, TargetModel
from backends.event_stream import EventStreamReader
from tests.fakes.recording import Recording, make_call

RUNNER = "runner gpu-a (vllm)"


def prepared(
    operation: Operation = Operation.CHAT, *, model: str = "public", **fields: Any
) -> Prepared:
    """A call as its reply is read; `fields` are those of the request body."""
    body = {"messages": [{"role": "user", "content": "Say hello."}]} | fields
    return Prepared(make_call(operation, body, model=model), TargetModel("tiny"), b"", b"")


def reader(
    operation: Operation = Operation.CHAT,
    *,
    include_usage: bool = False,
    usage_per_choice: bool = False,
    **fields: Any,
) -> EventStreamReader:
    """A reader for the stream that answers such a request."""
    options = {"include_usage": include_usage} | fields.pop("stream_options", {})
    return EventStreamReader(
        prepared(operation, stream=True, stream_options=options, **fields),
        runner=RUNNER,
        usage_per_choice=usage_per_choice,
    )


def replay_reader(recording: Recording, *, usage_per_choice: bool = False) -> EventStreamReader:
    """A reader for the recorded answer."""
    return EventStreamReader(
        Prepared(recording.call(), TargetModel("tiny"), b"", b""),
        runner=RUNNER,
        usage_per_choice=usage_per_choice,
    )


def chunk(
    delta: dict[str, Any] | None = None,
    *,
    finish: str | None = None,
    index: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """One chat chunk of a runner."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    heading = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "tiny"}
    return heading | {"choices": [choice]} | more


def usage_chunk(**tokens: int) -> dict[str, Any]:
    """The chunk of a runner that only tells usage."""
    return chunk() | {"choices": [], "usage": tokens}


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk(finish="stop")
DONE = b"data: [DONE]\n\n"


def sse(*chunks: dict[str, Any] | bytes) -> bytes:
    """Chunks as events, as vLLM writes them; bytes are put in as they are."""
    return b"".join(
        each
        if isinstance(each, bytes)
        else b"data: " + json.dumps(each, separators=(",", ":")).encode() + b"\n\n"
        for each in chunks
    )


def events(data: bytes) -> list[Any]:
    """The events in what a caller gets, decoded; fails if anything but whole events is there."""
    assert data.endswith(b"\n\n") or not data
    lines = data.split(b"\n\n")[:-1]
    for line in lines:
        assert line.startswith(b"data: ")
        assert b"\n" not in line
    return [_decode(line[6:]) for line in lines]


def deltas(found: Iterable[Any]) -> list[dict[str, Any]]:
    """The deltas of all chunks that have a choice."""
    return [
        choice["delta"] for each in found if isinstance(each, dict) for choice in each["choices"]
    ]


def _decode(data: bytes) -> Any:
    return data.decode() if data == b"[DONE]" else json.loads(data)
