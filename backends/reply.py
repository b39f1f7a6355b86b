"""A complete reply of an OpenAI-compatible runner, checked and mended."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from backends.base import Prepared, Reply, Usage
from backends.choice import FAILED_REASONS, FINISH_REASONS, mend_finish, mend_reasoning
from backends.error_body import error_in
from backends.errors import ReplyInvalid
from backends.model_name import rename
from backends.refusal import Fault, refuse
from backends.usage import read_usage, usage_object

_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError)


_Count = Annotated[int, Meta(ge=0)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    prompt_tokens_details: _Details | None = None


class _Message(msgspec.Struct, gc=False):
    reasoning: Any = None
    reasoning_content: Any = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str
    message: _Message | None = None


class _Document(msgspec.Struct, gc=False):
    """The part of a reply that decides whether it may pass as it is; all else is skipped."""

    model: str
    usage: _Usage
    choices: list[_Choice] | None = None
    data: msgspec.Raw | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Document).decode


def read_reply(prepared: Prepared, body: bytes, *, runner: str) -> Reply:
    """See `Backend.read_reply`. `runner` names the runner in messages."""
    try:
        document = _decode(body)
    except _MALFORMED:
        return _careful(prepared, body, runner)
    if _passes(document):
        renamed = rename(body, document.model, prepared.call.model)
        if renamed is not None:
            usage, details = document.usage, document.usage.prompt_tokens_details
            cached = details.cached_tokens if details is not None else None
            return Reply(renamed, Usage(usage.prompt_tokens, usage.completion_tokens, cached or 0))
    return _careful(prepared, body, runner)


def _passes(document: _Document) -> bool:
    if document.error is not None:
        return False
    if document.choices is None:
        return document.data is not None
    for choice in document.choices:
        if choice.finish_reason in FINISH_REASONS or choice.finish_reason in FAILED_REASONS:
            return False
        message = choice.message
        if message is not None and (message.reasoning is None) is not (
            message.reasoning_content is None
        ):
            return False
    return bool(document.choices)


def _careful(prepared: Prepared, body: bytes, runner: str) -> Reply:
    document = decode_reply(body, runner=runner)
    choices = document.get("choices")
    if isinstance(choices, list) and choices:
        for choice in choices:
            _mend_choice(choice, runner)
    elif not isinstance(document.get("data"), list):
        raise ReplyInvalid(
            f"{runner} answered 200 with neither choices nor data, but {_keys(document)}"
        )
    usage = document.get("usage")
    return Reply(
        msgspec.json.encode({**document, "model": prepared.call.model}),
        read_usage(usage) if isinstance(usage, dict) else None,
    )


def decode_reply(body: bytes, *, runner: str) -> dict[str, Any]:
    """The JSON object in `body`. Raises `ReplyInvalid`, and `RunnerRefused` if it is an error."""
    if not body.strip():
        raise ReplyInvalid(f"{runner} answered 200 with an empty body")
    try:
        document = msgspec.json.decode(body)
    except _MALFORMED:
        kind = "HTML" if body.lstrip()[:1] == b"<" else "no JSON"
        raise ReplyInvalid(f"{runner} answered 200 with a body that is {kind}") from None
    if not isinstance(document, dict):
        raise ReplyInvalid(f"{runner} answered 200 with a JSON {type(document).__name__}")
    found = error_in(document)
    if found is not None:
        raise refuse(Fault(found, found.status or 500, runner))
    return document


def _mend_choice(choice: Any, runner: str) -> None:
    if not isinstance(choice, dict):
        raise ReplyInvalid(f"{runner} answered with a choice that is not an object")
    reason = mend_finish(choice)
    if reason in FAILED_REASONS:
        raise ReplyInvalid(f"{runner} gave the answer up (finish_reason {reason!r})")
    message = choice.get("message")
    if isinstance(message, dict):
        mend_reasoning(message)


def _keys(document: dict[str, Any]) -> str:
    names = ", ".join(list(document)[:8])
    return f"an object with {names[:200]}" if names else "an empty object"


def count_every_choice(reply: Reply, choices: int) -> Reply:
    """Usage that a runner counted for one of several choices, scaled to all of them.

    llama-server does that for `n` > 1; the product is exact when all choices are equally long.
    """
    if choices < 2 or reply.usage is None:
        return reply
    usage = replace(
        reply.usage,
        completion_tokens=reply.usage.completion_tokens * choices,
        estimated=True,
    )
    document = msgspec.json.decode(reply.body)
    document["usage"] = {**document["usage"], **usage_object(usage)}
    return Reply(msgspec.json.encode(document), usage)
