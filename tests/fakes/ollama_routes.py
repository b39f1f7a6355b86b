"""What the fake Ollama's own API answers: checks, loading, and the lines of a scripted reply.

As read in `server/routes.go`: `ChatHandler`, `GenerateHandler`, `EmbedHandler`, `streamResponse`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from types import MappingProxyType

from tests.fakes.ollama_engine import Engine, FakeModel, Json, Refused, duration_s

CREATED_AT = "2026-11-20T12:00:00.123456789Z"
OPTION_TYPES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("num_ctx", "num_predict", "seed", "top_k"), "integer")
    | dict.fromkeys(("temperature", "top_p", "min_p", "repeat_penalty"), "float32")
    | {"stop": "array", "penalize_newline": "boolean"}
)
THINK = (True, False, "high", "medium", "low", "max")


class Cut(Exception):
    """The script says that the connection ends here."""


async def chat(engine: Engine, body: Json) -> AsyncGenerator[Json, None]:
    """`ChatHandler`: the lines of one answer. Raises `Refused`, before the first line or after."""
    model = engine.find(body.get("model") or "")
    check_capabilities(model, body)
    messages = body.get("messages") or []
    keep_alive = body.get("keep_alive")
    if not messages and keep_alive is not None and duration_s(keep_alive) == 0:
        engine.unload(model)
        yield notice(body, "unload")
        return
    options = body.get("options") or {}
    check_options(options)
    loaded = await engine.load(model, options.get("num_ctx"), keep_alive)
    if not messages:
        yield notice(body, "load")
        return
    prompt_tokens = fit(messages, loaded.num_ctx, body.get("truncate", True))
    count = 0
    async with aclosing(engine.generate(loaded, options.get("num_predict"))) as pieces:
        async for piece in pieces:
            count += 1
            line = {"model": body["model"], "created_at": CREATED_AT}
            line |= {"message": {"role": "assistant", "content": ""} | piece, "done": False}
            if body.get("logprobs"):
                line["logprobs"] = [logprob(piece.get("content", ""), body.get("top_logprobs", 0))]
            yield line
    if engine.answer.error is not None:
        raise Refused(500, engine.answer.error)
    if engine.answer.cut:
        raise Cut
    reason = "length" if count == options.get("num_predict") else engine.answer.done_reason
    yield notice(body, reason) | {
        "total_duration": 5191566416,
        "load_duration": 2154458,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 383809000,
        "eval_count": count,
        "eval_duration": 4799921000,
    }


async def generate(engine: Engine, body: Json) -> AsyncGenerator[Json, None]:
    """`GenerateHandler`: the same with a prompt, which the model's template makes a chat of."""
    prompt = body.get("prompt") or ""
    asked = body | {"messages": [{"role": "user", "content": prompt}] if prompt else []}
    async with aclosing(chat(engine, asked)) as lines:
        async for line in lines:
            message = line.pop("message")
            thinking = {"thinking": message["thinking"]} if message.get("thinking") else {}
            yield line | {"response": message["content"]} | thinking


async def embed(engine: Engine, body: Json) -> Json:
    """`EmbedHandler`: a model without the capability is not refused, its vectors are just poor."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given or []
    if not all(isinstance(text, str) for text in texts):
        raise Refused(400, "invalid input type")
    model = engine.find(body.get("model") or "")
    await engine.load(model, (body.get("options") or {}).get("num_ctx"), body.get("keep_alive"))
    vector = [0.5, -0.25, 0.125, 1.0][: body.get("dimensions") or 4]
    return {
        "model": body["model"],
        "embeddings": [vector for _ in texts],
        "total_duration": 14143917,
        "load_duration": 1019500,
        "prompt_eval_count": sum(len(text.split()) for text in texts),
    }


async def whole(lines: AsyncIterator[Json]) -> Json:
    """What `stream: false` answers: every line folded into the last one."""
    folded: Json = {"role": "assistant", "content": ""}
    final: Json = {}
    logprobs: list[Json] = []
    async for line in lines:
        message = line.get("message") or {"content": line["response"]}
        for name in ("content", "thinking"):
            if message.get(name):
                folded[name] = folded.get(name, "") + message[name]
        if message.get("tool_calls"):
            folded.setdefault("tool_calls", []).extend(message["tool_calls"])
        logprobs += line.get("logprobs", [])
        final = line
    if "response" in final:
        final["response"] = folded["content"]
    else:
        final["message"] = folded
    return final | ({"logprobs": logprobs} if logprobs else {})


def check_capabilities(model: FakeModel, body: Json) -> None:
    if "completion" not in model.capabilities:
        raise Refused(400, f'"{body["model"]}" does not support chat')
    think = body.get("think")
    if think is not None and think not in THINK:
        values = '"high", "medium", "low", "max", true, or false'
        raise Refused(400, f"invalid think value: {json.dumps(think)} (must be {values})")
    if think and "thinking" not in model.capabilities:
        raise Refused(400, f'"{body["model"]}" does not support thinking')
    if body.get("tools") and "tools" not in model.capabilities:
        raise Refused(400, f"registry.ollama.ai/library/{model.name} does not support tools")


def check_options(options: Json) -> None:
    """`Options.FromMap`; its errors reach the caller as a 500 of the scheduler."""
    for name, value in options.items():
        kind = OPTION_TYPES.get(name, "")
        right = {"array": list, "boolean": bool}.get(kind, int | float)
        numeric = kind in ("integer", "float32")
        if kind and (not isinstance(value, right) or (numeric and isinstance(value, bool))):
            raise Refused(500, f'option "{name}" must be of type {kind}')


def parse(body: bytes) -> Json:
    """Go decodes strictly into its types; here only what our requests could get wrong."""
    try:
        decoded = json.loads(body)
        for message in decoded.get("messages") or []:
            if not isinstance(message.get("content", ""), str):
                raise Refused(400, "json: cannot unmarshal array into Go struct field ChatRequest")
            for call in message.get("tool_calls") or []:
                if not isinstance(call["function"]["arguments"], dict):
                    raise Refused(400, "json: cannot unmarshal string into Go struct field")
            for image in message.get("images") or []:
                base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise Refused(400, "illegal base64 data at input byte 0") from error
    except ValueError as error:
        raise Refused(400, f"invalid character: {error}") from error
    assert isinstance(decoded, dict)
    return decoded


def fit(messages: list[Json], num_ctx: int, truncate: bool) -> int:
    """Tokens (words) of the prompt. The oldest messages are dropped silently unless forbidden."""
    sizes = [len(str(message.get("content") or "").split()) for message in messages]
    if sum(sizes) > num_ctx and not truncate:
        child = {
            "code": 400,
            "message": f"request ({sum(sizes)} tokens) exceeds the available context size "
            f"({num_ctx} tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": sum(sizes),
            "n_ctx": num_ctx,
        }
        raise Refused(400, json.dumps({"error": child}))
    while sum(sizes) > num_ctx and len(sizes) > 1:
        sizes.pop(0)
    return sum(sizes)


def compact(line: Json) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def notice(body: Json, reason: str) -> Json:
    line: Json = {"model": body["model"], "created_at": CREATED_AT}
    return line | {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": reason,
    }


def logprob(token: str, top: int) -> Json:
    entry: Json = {"token": token, "logprob": -0.25}
    if top:
        entry["top_logprobs"] = [{"token": token, "logprob": -0.25}]
    return entry
