"""Answers that real runners gave, recorded once; `tests/wire/` holds a file for each runner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Raw
from msgspec import json as msgspec_json

from backends.base import Call, Operation

WIRE = Path(__file__).parent.parent / "wire"
RUNNERS: Mapping[str, str] = MappingProxyType(
    {
        "llamacpp": "llama-server-b11549",
        "llama-cpp-python": "llama-cpp-python-0.3.36",
        "vllm": "vllm-0.32.0",
    }
)
OPERATIONS = {"/v1" + operation: operation for operation in Operation}
OUR_HEADERS = ("content-length", "transfer-encoding", "connection", "keep-alive", "date")
"""Headers of a recording that a replay sets itself or leaves out."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One request and the answer to it, byte for byte."""

    case: str
    method: str
    path: str
    body: dict[str, Any] | None
    """None where the request was not a JSON object."""
    status: int
    headers: tuple[tuple[str, str], ...]
    reads: tuple[bytes, ...]
    """The answer's body as the network delivered it."""

    @property
    def answer(self) -> bytes:
        """The whole body of the answer."""
        return b"".join(self.reads)

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream of events."""
        return dict(self.headers).get("content-type", "").startswith("text/event-stream")

    def call(self, *, model: str = "public") -> Call:
        """The recorded request as the gateway would put it."""
        body = self.body or {}
        return make_call(OPERATIONS[self.path], body, model=model)


def make_call(operation: Operation, body: Mapping[str, Any], *, model: str = "public") -> Call:
    """A call with the fields of `body`."""
    given = body.get("stream_options")
    options = given if isinstance(given, dict) else {}
    return Call(
        operation,
        model,
        msgspec_json.decode(json.dumps(body), type=dict[str, Raw]),
        stream=body.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        choices=body.get("n") or 1,
    )


@cache
def recordings(kind: str) -> Mapping[str, Recording]:
    """All recordings of one kind of runner, by case."""
    lines = (WIRE / f"{RUNNERS[kind]}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [_read(json.loads(line)) for line in lines]
    return MappingProxyType({recording.case: recording for recording in found})


def _read(line: dict[str, Any]) -> Recording:
    request, response = line["request"], line["response"]
    body = request.get("body")
    pieces = [text for _, text in response["reads"]] if "reads" in response else [response["body"]]
    return Recording(
        line["case"],
        request["method"],
        request["path"],
        body if isinstance(body, dict) else None,
        response["status"],
        tuple((name.lower(), value) for name, value in response["headers"]),
        tuple(piece.encode() for piece in pieces),
    )
