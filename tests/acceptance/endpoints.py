"""The forms of a request for inference, and what a runner that is well answers to each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.acceptance.raw_http import request
from tests.fakes.bad_peer import answer, chunk, chunked_head

JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)
PROMPT_TOKENS, ANSWER_TOKENS = 11, 7
_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": ANSWER_TOKENS,
    "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
}


@dataclass(frozen=True, slots=True)
class Form:
    """One route, streamed or not."""

    name: str
    path: str
    body: Mapping[str, Any]
    reply: Mapping[str, Any]
    """The whole reply; of a stream, a chunk with one piece of text."""

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    def asked(self, model: str = "demo", **headers: str) -> bytes:
        """The bytes of a request; underscores in the names of headers stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request("POST", self.path, {"model": model, **self.body}, named)

    def size(self, model: str = "demo") -> int:
        """Bytes of its body."""
        return len(self.asked(model).partition(b"\r\n\r\n")[2])

    @property
    def tokens(self) -> int:
        """What a whole answer is counted as."""
        usage = self.usage
        return int(usage["prompt_tokens"]) + int(usage.get("completion_tokens", 0))

    @property
    def usage(self) -> Mapping[str, int]:
        """What its runner counts."""
        if self.path.endswith("embeddings"):
            return {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
        return _USAGE

    def whole(self) -> bytes:
        """A complete answer."""
        if not self.stream:
            return answer(json.dumps({**self.reply, "usage": self.usage}).encode(), headers=JSON)
        end = {**self.reply, "choices": [{"index": 0, "finish_reason": "stop", **_NO_TEXT}]}
        counted = {**self.reply, "choices": [], "usage": self.usage}
        events = (event(end), event(counted), b"data: [DONE]\n\n")
        return self.begun() + b"".join(map(chunk, events)) + chunk(b"")

    def begun(self, pieces: int = 3) -> bytes:
        """The beginning of an answer: of a stream, `pieces` of text; of another, two of the three
        megabytes that it announces."""
        if self.stream:
            return chunked_head(headers=EVENTS) + chunk(event(self.reply)) * pieces
        return answer(b'{"x":"' + b"y" * 3_000_000, headers=JSON)[:2_000_000]


_NO_TEXT: dict[str, Any] = {"delta": {}, "text": ""}


def event(value: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _head(object: str, **more: Any) -> dict[str, Any]:
    return {"id": "1", "object": object, "created": 1, "model": "tiny", **more}


_ASKED = {"messages": [{"role": "user", "content": "Hi"}]}
_SAID = {"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
_PIECE = {"delta": {"content": "Yes."}, "finish_reason": None}

FORMS = (
    Form(
        "chat",
        "/v1/chat/completions",
        _ASKED,
        _head("chat.completion", choices=[{"index": 0, **_SAID}]),
    ),
    Form(
        "chat stream",
        "/v1/chat/completions",
        {**_ASKED, "stream": True},
        _head("chat.completion.chunk", choices=[{"index": 0, **_PIECE}]),
    ),
    Form(
        "completions",
        "/v1/completions",
        {"prompt": "Hi"},
        _head("text_completion", choices=[{"index": 0, "text": "Yes.", "finish_reason": "stop"}]),
    ),
    Form(
        "completions stream",
        "/v1/completions",
        {"prompt": "Hi", "stream": True},
        _head("text_completion", choices=[{"index": 0, "text": "Yes.", "finish_reason": None}]),
    ),
    Form(
        "embeddings",
        "/v1/embeddings",
        {"input": "Hi"},
        {
            "object": "list",
            "model": "tiny",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        },
    ),
)
