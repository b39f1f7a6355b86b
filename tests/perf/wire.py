"""The bytes that the stub runner and the load generator agree on, built once and sent as they are.

The shapes are those that vLLM 0.32 was recorded with: the order of the keys, the null fields and
the framing by uvicorn, one HTTP chunk an event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

PUBLIC_MODEL = "demo"
UPSTREAM_MODEL = "stub-model"
API_KEY = "sk-bench"
CALL_BODY_BYTES = 1024
CHUNKS_PER_STREAM = 200
DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"

_ID = "chatcmpl-9522858a9a72cbec"
_CREATED = 1795204879
_FINGERPRINT = "vllm-0.32.0-ff82320a"
_PROMPT_TOKENS = 17
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"vary: Origin\r\ntransfer-encoding: chunked\r\n\r\n"
)


def answer(body: bytes, *, status: str = "200 OK") -> bytes:
    """One whole HTTP answer with a JSON body."""
    return (
        b"HTTP/1.1 %s\r\nserver: uvicorn\r\ncontent-length: %d\r\n"
        b"content-type: application/json\r\nvary: Origin\r\n\r\n%s"
    ) % (status.encode(), len(body), body)


@cache
def chat_answer() -> bytes:
    """The non-streaming chat answer: about 700 bytes of JSON, most of it vLLM's null fields."""
    message = {
        "role": "assistant",
        "content": "Hello there.",
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "reasoning": None,
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    choice |= {"stop_reason": None, "token_ids": None, "routed_experts": None}
    value = _envelope("chat.completion") | {"choices": [choice], "service_tier": None}
    value |= {"system_fingerprint": _FINGERPRINT, "usage": _usage(6)}
    value |= dict.fromkeys(("prompt_logprobs", "prompt_token_ids", "prompt_text"))
    value |= dict.fromkeys(("kv_transfer_params", "ec_transfer_params", "metrics"))
    return answer(_dumps(value))


@cache
def stream_frames(chunks: int, usage: bool) -> tuple[bytes, ...]:
    """The frames of a stream of `chunks` chat chunks, head first; each is one write of the stub.

    With `usage` a chunk that holds only the usage precedes `[DONE]`, as `stream_options` asks.
    """
    opening = _chunk({"role": "assistant", "content": ""}, None)
    opening |= {"prompt_token_ids": None, "prompt_text": None}
    events = [opening]
    events += [_chunk({"content": f" token{i:04d}"}, None) for i in range(1, chunks - 1)]
    events.append(_chunk({"content": "."}, "stop") | {"system_fingerprint": _FINGERPRINT})
    if usage:
        last = _envelope("chat.completion.chunk") | {"choices": [], "usage": _usage(chunks)}
        events.append(last | {"system_fingerprint": _FINGERPRINT})
    frames = [_frame(b"data: %s\n\n" % _dumps(event)) for event in events]
    return (_STREAM_HEAD, *frames, _frame(DONE) + LAST_CHUNK)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the load generator sends it, and what its answer must hold."""

    raw: bytes
    model: str
    chunks: int = 0  # 0: not streamed


def chat_call(port: int, model: str, *, chunks: int = 0) -> Call:
    """A chat call whose body is 1 KB; with `chunks` it asks for a stream of that many."""
    value: dict[str, object] = {"model": model, "max_tokens": chunks or 6}
    if chunks:
        value["stream"] = True
    value["messages"] = [{"role": "user", "content": ""}]
    padding = CALL_BODY_BYTES - len(_dumps(value))
    value["messages"] = [{"role": "user", "content": ("Say hello. " * 100)[:padding]}]
    body = _dumps(value)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: sluicegate-bench\r\n"
        f"Authorization: Bearer {API_KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Call(head.encode() + body, model, chunks)


def _envelope(kind: str) -> dict[str, object]:
    return {"id": _ID, "object": kind, "created": _CREATED, "model": UPSTREAM_MODEL}


def _chunk(delta: dict[str, str], finish_reason: str | None) -> dict[str, object]:
    choice: dict[str, object] = {"index": 0, "delta": delta, "logprobs": None}
    choice |= {"finish_reason": finish_reason, "token_ids": None}
    return _envelope("chat.completion.chunk") | {"choices": [choice]}


def _usage(completion: int) -> dict[str, object]:
    total = _PROMPT_TOKENS + completion
    usage: dict[str, object] = {"prompt_tokens": _PROMPT_TOKENS, "total_tokens": total}
    return usage | {"completion_tokens": completion, "prompt_tokens_details": None}


def _frame(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
