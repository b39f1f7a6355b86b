"""Embeddings over `POST /api/embed`, for targets whose pins `/v1/embeddings` has no place for."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
from msgspec import Raw

from backends.base import Call, Reply, TargetModel, Usage
from backends.errors import ReplyInvalid, RequestUnsupported
from backends.ollama_native.error import refuse_line
from backends.ollama_native.option import native_options, pinned_fields
from backends.ollama_native.prompt import text_input
from backends.ollama_native.value import decode, is_null
from backends.usage import usage_object


class Embeddings(msgspec.Struct):
    """A reply of `/api/embed`; vectors stay the text they are unless base64 is asked for."""

    embeddings: list[Raw] | None = None
    prompt_eval_count: int = 0
    error: Any = None


_EMBEDDINGS = msgspec.json.Decoder(Embeddings)
_VECTOR = msgspec.json.Decoder(list[float])


def native_embed(call: Call, target: TargetModel) -> tuple[bytes, list[str]]:
    """The body to send, and the caller's settings that pins override.

    Raises `RequestUnsupported` for token ids and for an encoding that nobody knows.
    """
    fields = {name: raw for name, raw in call.fields.items() if not is_null(raw)}
    if "input" not in fields:
        raise RequestUnsupported("'input' is missing", param="input")
    encoding_format(call)
    options, ignored = native_options(fields, target.options, defaults={})
    body: dict[str, Any] = {"model": target.name, "input": text_input(fields["input"])}
    if "dimensions" in fields:
        body["dimensions"] = fields["dimensions"]
    body |= {"options": options} | pinned_fields(target.options)
    return msgspec.json.encode(body), ignored


def encoding_format(call: Call) -> str:
    """`float` or `base64`. Raises `RequestUnsupported` for anything else."""
    given = call.fields.get("encoding_format")
    wanted = "float" if given is None or is_null(given) else decode(given, "encoding_format")
    if wanted not in ("float", "base64"):
        raise RequestUnsupported(
            f"'encoding_format' must be float or base64, not {str(wanted)[:40]!r}",
            param="encoding_format",
        )
    return str(wanted)


def openai_embeddings(body: bytes, call: Call, *, runner: str) -> Reply:
    """Translate the reply. Raises `ReplyInvalid`, and `RunnerRefused` for an error under 200."""
    try:
        read = _EMBEDDINGS.decode(body)
        if read.error is not None:
            raise refuse_line(read.error, runner)
        if read.embeddings is None:
            raise ReplyInvalid(f"{runner} answered 200 without embeddings")
        encoded = [_encoded(vector, encoding_format(call)) for vector in read.embeddings]
    except (msgspec.DecodeError, UnicodeDecodeError, struct.error) as exc:
        raise ReplyInvalid(f"{runner} answered with what are no embeddings: {exc}") from exc
    usage = Usage(prompt_tokens=read.prompt_eval_count, completion_tokens=0)
    counts = usage_object(usage)
    del counts["completion_tokens"]
    data = [
        {"object": "embedding", "index": at, "embedding": vector}
        for at, vector in enumerate(encoded)
    ]
    written = {"object": "list", "data": data, "model": call.model, "usage": counts}
    return Reply(body=msgspec.json.encode(written), usage=usage)


def _encoded(vector: Raw, wanted: str) -> Raw | str:
    if wanted == "float":
        return vector
    numbers = _VECTOR.decode(vector)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
