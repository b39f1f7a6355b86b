"""Read from a body what the gateway needs, check the shape of what every runner relies on, and keep
all else byte for byte.

The OpenAI schema is not modelled: a field that is not named here passes through untouched. What is
named here is checked because a runner would answer a wrong type with a 500, or take a slot first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from backends.base import Call, Operation
from gateway.errors import InvalidRequest

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Tokens = Annotated[int, Meta(ge=-1, le=1_000_000_000)]
TokenList = list[int]


class StreamOptions(Struct):
    """`stream_options` of a request."""

    include_usage: bool | None = None


class Message(Struct):
    """The part of a chat message that every runner needs."""

    role: str
    content: str | list[dict[str, Raw]] | None = None


class Sampling(Struct):
    """Fields that several operations share."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Tokens | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None


class ChatEnvelope(Sampling, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Tokens | None = None
    tools: list[dict[str, Raw]] | None = None
    tool_choice: str | dict[str, Raw] | None = None
    response_format: dict[str, Raw] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    parallel_tool_calls: bool | None = None


class CompletionEnvelope(Sampling, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | Annotated[list[str | int | TokenList], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0)] | None = None
    echo: bool | None = None


class EmbeddingsEnvelope(Struct, kw_only=True):
    """`POST /v1/embeddings`."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[list[str | int | TokenList | dict[str, Raw]], Meta(min_length=1)]
    )
    encoding_format: str | None = None
    dimensions: Count | None = None


_ENVELOPES: dict[Operation, msgspec.json.Decoder[Any]] = {
    Operation.CHAT: msgspec.json.Decoder(ChatEnvelope),
    Operation.COMPLETIONS: msgspec.json.Decoder(CompletionEnvelope),
    Operation.EMBEDDINGS: msgspec.json.Decoder(EmbeddingsEnvelope),
}
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode
_TOKEN_LIMITS = ("max_tokens", "max_completion_tokens")
_ROUTED = ("model", "stream", "service_tier", *_TOKEN_LIMITS)
_ROUTED_KEY = re.compile(b'"(?:%s)"' % "|".join(_ROUTED).encode())
_ESCAPE = re.compile(rb"\\u00")
"""How every escaped ASCII character begins. A regular expression finds none faster than `in`."""


def read_call(operation: Operation, body: bytes) -> Call:
    """Check a body and return the call it asks for.

    Raises `InvalidRequest` naming the field, what was wrong with it and what would be right.
    """
    try:
        # The JSON decoder skips over strings it does not need, without looking at their encoding.
        if not body.isascii():
            str(body, "utf-8")
        envelope = _ENVELOPES[operation].decode(body)
        fields = _FIELDS.decode(body)
        _refuse_duplicates(body, fields)
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid UTF-8 (byte {error.start}).", code="invalid_body"
        ) from None
    except RecursionError:
        raise InvalidRequest(
            "The request body is nested too deeply.", code="invalid_body"
        ) from None
    except msgspec.ValidationError as error:
        raise _wrong_shape(operation, str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid JSON: {_json_fault(str(error))}.", code="invalid_body"
        ) from None
    for limit in _TOKEN_LIMITS:
        if limit in fields:
            _check_token_limit(operation, envelope, fields, limit)
    options = getattr(envelope, "stream_options", None)
    return Call(
        operation=operation,
        model=envelope.model,
        fields=fields,
        stream=bool(getattr(envelope, "stream", None)),
        include_usage=bool(options and options.include_usage),
        choices=getattr(envelope, "n", None) or 1,
    )


def _check_token_limit(
    operation: Operation, envelope: Any, fields: dict[str, Raw], name: str
) -> None:
    value = getattr(envelope, name, None)
    if value is None or value > 0:
        return
    if value == -1:
        # llama.cpp's and LM Studio's way to say "no limit", which others refuse.
        del fields[name]
    elif operation is not Operation.COMPLETIONS:
        raise InvalidRequest(
            f"'{name}' is 0; it must be at least 1. Leave it out for no limit.", param=name
        )


def _refuse_duplicates(body: bytes, fields: dict[str, Raw]) -> None:
    if len(_encode(fields)) == len(body):
        return  # written without spaces, and not a byte is missing: so no key was there twice
    # A key can only be there twice if its text is, or if letters of it are escaped, which no
    # ordinary serialiser does.
    keys = _ROUTED_KEY.findall(body)
    if len(keys) == len(set(keys)) and _ESCAPE.search(body) is None:
        return
    # Tool schemas and prompts are full of these words; only what lies between the values counts.
    inside = b",".join(fields.values())
    between = Counter(keys)
    between.subtract(_ROUTED_KEY.findall(inside))
    if max(between.values(), default=0) > 1 or body.count(b"\\") > inside.count(b"\\"):
        _refuse_repeated_names(body)


def _refuse_repeated_names(body: bytes) -> None:
    outermost: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs  # objects are reported inside out, so the last one is the body

    # Numbers stay text: Python refuses to read an integer of more than 4300 digits.
    json.loads(body, object_pairs_hook=keep, parse_int=str, parse_float=str)
    names = [name for name, _ in outermost]
    for name in _ROUTED:
        if names.count(name) > 1:
            raise InvalidRequest(
                f"'{name}' is given more than once; it must be unambiguous.",
                param=name,
                code="duplicate_parameter",
            )


def _wrong_shape(operation: Operation, text: str) -> InvalidRequest:
    match = re.fullmatch(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", text, re.DOTALL)
    assert match is not None
    what, path = match["what"], (match["path"] or "").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing:
        name = f"{path}.{missing[1]}" if path else missing[1]
        return InvalidRequest(
            f"Missing required parameter: '{name}'.",
            param=name,
            code="missing_required_parameter",
        )
    if not path:
        return InvalidRequest(
            f"The request body must be a JSON object, for example {_EXAMPLES[operation]}.",
            code="invalid_body",
        )
    return InvalidRequest(f"Invalid value for '{path}': {_plain(what)}.", param=path)


_EXAMPLES = {
    Operation.CHAT: '{"model": "…", "messages": [{"role": "user", "content": "Hello"}]}',
    Operation.COMPLETIONS: '{"model": "…", "prompt": "Hello"}',
    Operation.EMBEDDINGS: '{"model": "…", "input": "Hello"}',
}
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _plain(what: str) -> str:
    """Say a type error in the words of JSON, not of Python."""

    def name(match: re.Match[str]) -> str:
        return " or ".join(_WORDS.get(part, part) for part in match[1].split(" | "))

    text = re.sub(r"`([a-z| ]+)`", name, what)
    return text[:1].lower() + text[1:]


def _json_fault(text: str) -> str:
    fault = text.removeprefix("JSON is malformed: ").rstrip(".")
    return fault[:1].lower() + fault[1:]
