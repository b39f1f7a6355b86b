"""Chat bodies for a server whose types know less than OpenAI's: llama-cpp-python.

It answers 500 to a role, a response format or a null that its types do not name, and writes a list
of content parts into the prompt as Python would print it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from backends.errors import RequestUnsupported
from backends.request_body import is_list, is_null, raw

_Fields = dict[str, Raw]

_messages = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def simplify_chat(fields: _Fields) -> None:
    """Rewrite a chat body in place. Raises `RequestUnsupported` for anything but text."""
    limit = fields.pop("max_completion_tokens", None)
    if limit is not None:
        fields["max_tokens"] = limit
    if "response_format" in fields:
        fields["response_format"] = _response_format(fields["response_format"])
    if "messages" in fields:
        try:
            messages = _messages(fields["messages"])
        except msgspec.MsgspecError:
            return  # not a list of objects: the runner says so better
        fields["messages"] = raw([_message(message) for message in messages])


def require_text_input(fields: _Fields) -> None:
    """Raise `RequestUnsupported` for embedding input given as token ids."""
    given = msgspec.json.decode(fields.get("input", b"null"))
    if isinstance(given, list) and not all(isinstance(item, str) for item in given):
        raise RequestUnsupported(
            "llama-cpp-python embeds text only; send input as a string or a list of strings",
            param="input",
        )


def require_one_prompt(fields: _Fields) -> None:
    """Raise `RequestUnsupported` for several prompts at once, or one given as token ids."""
    given = msgspec.json.decode(fields.get("prompt", b"null"))
    if isinstance(given, list) and (
        len(given) > 1 or not all(isinstance(item, str) for item in given)
    ):
        raise RequestUnsupported(
            "llama-cpp-python takes one prompt at a time; send prompt as a string", param="prompt"
        )


def _message(message: _Fields) -> _Fields:
    role = bytes(message.get("role", b""))
    if role == b'"developer"':
        message["role"] = Raw(b'"system"')
    content = message.get("content")
    if content is not None and is_list(content):
        message["content"] = raw(_flatten(msgspec.json.decode(content)))
    # Its types let content be null, but not with an assistant's message.
    nulls = [
        name
        for name, value in message.items()
        if is_null(value) and (name != "content" or role == b'"assistant"')
    ]
    for name in nulls:
        del message[name]
    return message


def _flatten(parts: list[Any]) -> str:
    """Join text parts by line breaks, as llama-server and vLLM do."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else type(part).__name__
            raise RequestUnsupported(
                f"llama-cpp-python reads text only; take the content part of type {kind!r} out "
                "or send it to a model on another backend",
                param="messages",
            )
        texts.append(text)
    return "\n".join(texts)


def _response_format(given: Raw) -> Raw:
    """OpenAI's `json_schema` in the form that this server has for it."""
    try:
        asked = _fields(given)
        if bytes(asked.get("type", b"")) != b'"json_schema"':
            return given
        schema = _fields(asked["json_schema"]).get("schema")
    except (msgspec.MsgspecError, KeyError):
        return given
    written = {"type": Raw(b'"json_object"')}
    if not is_null(schema) and schema is not None:
        written["schema"] = schema
    return raw(written)
