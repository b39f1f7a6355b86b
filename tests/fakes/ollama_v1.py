"""The fake Ollama's OpenAI-compatible API: a translation in front of its own, faults and all.

As read in `openai/openai.go` and `middleware/openai.go`: only the fields named here are read, every
content part becomes a message, `temperature` and `top_p` are 1.0 unless given, ids are drawn from
999 numbers, and an error in the middle of a stream is decoded as an empty answer and lost.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Mapping
from contextlib import aclosing
from types import MappingProxyType

from tests.fakes.ollama_engine import Engine, FakeModel, Json, Refused
from tests.fakes.ollama_http import Exchange
from tests.fakes.ollama_routes import Cut, chat, embed, whole

ROUTES = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})
EVENTS = "text/event-stream"
EFFORTS: Mapping[str, bool | str] = MappingProxyType(
    {
        "none": False,
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "max",
        "max": "max",
        "ultra": "max",
    }
)
TYPES: Mapping[int, str] = MappingProxyType({400: "invalid_request_error", 404: "not_found_error"})


async def serve(engine: Engine, exchange: Exchange) -> None:
    """Answer one request to a route of `ROUTES`."""
    try:
        body = bound(json.loads(exchange.seen.body))
        if exchange.seen.path == "/v1/embeddings":
            await exchange.send_json(200, await embeddings(engine, body))
        elif exchange.seen.path == "/v1/completions":
            await complete(engine, exchange, body, completion_request(body))
        else:
            await complete(engine, exchange, body, chat_request(body))
    except Refused as refused:
        kind = TYPES.get(refused.status, "api_error")
        error = {"message": refused.message, "type": kind, "param": None, "code": None}
        await exchange.send_json(refused.status, {"error": error})


def bound(body: Json) -> Json:
    """Go binds the fields it knows to their types."""
    for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
        if not isinstance(body.get(name, 1.0), int | float | None):
            kind = "Go struct field ChatCompletionRequest"
            raise Refused(400, f"json: cannot unmarshal string into {kind}.{name} of type float64")
    return body


async def complete(engine: Engine, exchange: Exchange, body: Json, request: Json) -> None:
    chatting = exchange.seen.path.endswith("/chat/completions")
    prefix = "chatcmpl" if chatting else "cmpl"
    answer_id = f"{prefix}-{random.randrange(999)}"
    lines = chat(engine, request)
    if not body.get("stream"):
        await exchange.send_json(200, reply(answer_id, chatting, await whole(lines)))
        return
    called = False
    last: Json = {}
    try:
        async with aclosing(lines):
            async for line in lines:
                for chunk in chunks(answer_id, chatting, line, called):
                    called = called or bool(line["message"].get("tool_calls"))
                    last = chunk
                    await event(exchange, chunk)
                if line["done"] and (body.get("stream_options") or {}).get("include_usage"):
                    await event(exchange, last | {"choices": [], "usage": usage(line)})
    except Refused:
        if not exchange.status:
            raise
        # The error object has none of an answer's fields, so an empty answer is what is written.
        await event(exchange, chunks(answer_id, chatting, {"model": "", "message": {}}, False)[0])
        await exchange.end()
        return
    except Cut:
        exchange.broken = True
        return
    await exchange.piece(b"data: [DONE]\n\n", EVENTS)
    await exchange.end()


def chat_request(body: Json) -> Json:
    """`FromChatRequest`: fields that are not read here are ignored without a word."""
    if not body.get("messages"):
        raise Refused(400, "[] is too short - 'messages'")
    options = sampling(body)
    request: Json = {"model": body.get("model", ""), "options": options}
    request["messages"] = messages(body["messages"])
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_object":
        request["format"] = "json"
    elif wanted.get("type") == "json_schema":
        request["format"] = wanted["json_schema"]["schema"]
    effort = body.get("reasoning_effort")
    if effort:
        if effort not in EFFORTS:
            raise Refused(400, f"invalid reasoning value: '{effort}'")
        request["think"] = EFFORTS[effort]
    for name in ("tools", "logprobs", "top_logprobs"):
        if body.get(name):
            request[name] = body[name]
    return request


def completion_request(body: Json) -> Json:
    if not isinstance(body.get("prompt", ""), str):
        raise Refused(
            400,
            "json: cannot unmarshal array into Go struct field CompletionRequest.prompt",
        )
    prompt = [{"role": "user", "content": body.get("prompt", "")}]
    return {"model": body.get("model", ""), "messages": prompt, "options": sampling(body)}


def sampling(body: Json) -> Json:
    options: Json = {"temperature": 1.0, "top_p": 1.0}
    for name in ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"):
        if body.get(name) is not None:
            options[name] = body[name]
    if body.get("max_tokens") is not None:
        options["num_predict"] = body["max_tokens"]
    stop = body.get("stop")
    if stop is not None:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    return options


def messages(given: list[Json]) -> list[Json]:
    native: list[Json] = []
    for message in given:
        role, content = message["role"], message.get("content")
        calls = [
            {"id": call.get("id", ""), "function": arguments(call["function"])}
            for call in message.get("tool_calls") or []
        ]
        if isinstance(content, str):
            native.append({"role": role, "content": content})
        elif isinstance(content, list):
            native += [part(role, one) for one in content]
        elif not calls:
            raise Refused(400, "invalid message content type: <nil>")
        else:
            native.append({"role": role, "content": ""})
        if calls:
            native[-1]["tool_calls"] = calls
    return native


def arguments(function: Json) -> Json:
    try:
        return {"name": function["name"], "arguments": json.loads(function["arguments"])}
    except ValueError as error:
        raise Refused(400, "invalid tool call arguments") from error


def part(role: str, given: Json) -> Json:
    if given.get("type") == "text":
        return {"role": role, "content": given["text"]}
    if given.get("type") != "image_url":
        raise Refused(400, "invalid message format")
    url = given["image_url"]["url"] if isinstance(given["image_url"], dict) else given["image_url"]
    if url.startswith(("http://", "https://")):
        raise Refused(
            400, "image URLs are not currently supported, please use base64 encoded data instead"
        )
    header, _, data = url.partition(";base64,")
    if header not in {"data:", *(f"data:image/{kind}" for kind in ("jpeg", "jpg", "png", "webp"))}:
        raise Refused(400, "invalid image input")
    base64.b64decode(data, validate=True)
    return {"role": role, "content": "", "images": [data]}


def chunks(answer_id: str, chatting: bool, line: Json, called: bool) -> list[Json]:
    """`ToChunks`: thinking and content of one line go out apart, with the role in every chunk."""
    message = line["message"]
    head: Json = {
        "id": answer_id,
        "object": "chat.completion.chunk" if chatting else "text_completion",
    }
    head |= {"created": 1795176000, "model": line["model"], "system_fingerprint": "fp_ollama"}
    reason = line.get("done_reason") or None
    calls = tool_calls(message)
    if reason and (called or calls):
        reason = "tool_calls"
    if not chatting:
        text = {"text": message.get("content", ""), "index": 0, "finish_reason": reason}
        return [head | {"choices": [text]}]
    deltas: list[Json] = []
    if message.get("thinking"):
        deltas.append({"content": "", "reasoning": message["thinking"]})
    if message.get("content") or calls or not deltas:
        content: Json = {"content": message.get("content", "")}
        deltas.append(content | ({"tool_calls": calls} if calls else {}))
    written = []
    for at, delta in enumerate(deltas):
        final = at == len(deltas) - 1
        choice: Json = {"index": 0, "delta": {"role": "assistant"} | delta}
        choice["finish_reason"] = reason if final else None
        if line.get("logprobs"):
            choice["logprobs"] = {"content": line["logprobs"]}
        written.append(head | {"choices": [choice]})
    return written


def reply(answer_id: str, chatting: bool, line: Json) -> Json:
    message = line["message"]
    calls = tool_calls(message)
    reason = "tool_calls" if calls else line["done_reason"]
    choice: Json = {"index": 0, "finish_reason": reason}
    if chatting:
        written: Json = {"role": "assistant", "content": message["content"]}
        if message.get("thinking"):
            written["reasoning"] = message["thinking"]
        choice["message"] = written | ({"tool_calls": calls} if calls else {})
    else:
        choice["text"] = message["content"]
    answer: Json = {"id": answer_id, "object": "chat.completion" if chatting else "text_completion"}
    answer |= {"created": 1795176000, "model": line["model"], "system_fingerprint": "fp_ollama"}
    return answer | {"choices": [choice], "usage": usage(line)}


def tool_calls(message: Json) -> list[Json]:
    return [
        {
            "id": call.get("id", ""),
            "index": call["function"].get("index", 0),
            "type": "function",
            "function": {
                "name": call["function"]["name"],
                "arguments": json.dumps(call["function"]["arguments"], separators=(",", ":")),
            },
        }
        for call in message.get("tool_calls") or []
    ]


def usage(line: Json) -> Json:
    prompt, completion = line.get("prompt_eval_count", 0), line.get("eval_count", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


async def embeddings(engine: Engine, body: Json) -> Json:
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Refused(400, f"Invalid value for 'encoding_format' = {encoding}.")
    read: Json = {name: body[name] for name in ("model", "input", "dimensions") if name in body}
    answer = await embed(engine, read)
    data = []
    for at, vector in enumerate(answer["embeddings"]):
        if encoding == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "embedding": vector, "index": at})
    used = {"prompt_tokens": answer["prompt_eval_count"]}
    used["total_tokens"] = used["prompt_tokens"]
    return {"object": "list", "data": data, "model": body["model"], "usage": used}


def model_list(models: list[FakeModel]) -> Json:
    data = [
        {"id": model.name, "object": "model", "created": 1795176000, "owned_by": "library"}
        for model in models
    ]
    return {"object": "list", "data": data}


async def event(exchange: Exchange, chunk: Json) -> None:
    await exchange.piece(
        b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n", EVENTS
    )
