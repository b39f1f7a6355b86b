"""OpenAI chat messages in Ollama's own shape.

Differences that matter: content is one string with the images beside it, tool-call arguments are
an object, a tool result names the tool instead of the call, thinking is called `thinking`.
Ollama's `/v1` makes a message of its own out of every content part; here they stay together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from backends.errors import RequestUnsupported
from backends.ollama_native.value import expect

Native = dict[str, Any]

_ROLES = {"developer": "system", "function": "tool"}
"""Roles that chat templates do not know, or know under another name."""

_DATA_URI = re.compile(r"data:(?P<mime>[^;,]*)(?:;[^;,]+)*;base64,", re.IGNORECASE)

_IMAGE_REMEDY = (
    "Ollama fetches no images: send the image itself as a data URI (data:image/png;base64,...)"
)


def native_messages(messages: object) -> list[Native]:
    """Translate the whole conversation. Raises `RequestUnsupported` for what has no counterpart.

    An empty list is refused: natively it is no request for an answer but loads the model, or
    unloads it for everybody (`keep_alive: 0`).
    """
    conversation = expect(messages, list, "messages", "a list")
    if not conversation:
        raise RequestUnsupported("'messages' is empty: send at least one message", param="messages")
    return [_message(conversation, at) for at in range(len(conversation))]


def _message(conversation: Sequence[object], at: int) -> Native:
    where = f"messages[{at}]"
    message = expect(conversation[at], dict, where, "an object")
    role = expect(message.get("role"), str, f"{where}.role", "a string").lower()
    native: Native = {"role": _ROLES.get(role, role)}
    text, media = _content(message.get("content"), f"{where}.content")
    native["content"] = text
    if media:
        native["images"] = media
    thinking = message.get("reasoning") or message.get("reasoning_content")
    if isinstance(thinking, str):
        native["thinking"] = thinking
    calls = _tool_calls(message, where)
    if calls:
        native["tool_calls"] = calls
    if native["role"] == "tool":
        native.update(_answered_call(message, conversation, at))
    return native


def _content(content: object, where: str) -> tuple[str, list[str]]:
    """The text of a message, and its images and sounds as bare base64."""
    if content is None:
        return "", []
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    media: list[str] = []
    for at, part in enumerate(expect(content, list, where, "a string or a list of parts")):
        _part(part, f"{where}[{at}]", texts, media)
    return "\n".join(texts), media


def _part(part: object, where: str, texts: list[str], media: list[str]) -> None:
    if isinstance(part, str):
        texts.append(part)
        return
    fields = expect(part, dict, where, "an object")
    kind = fields.get("type")
    if kind in ("text", "refusal"):
        texts.append(expect(fields.get(kind), str, f"{where}.{kind}", "a string"))
    elif kind == "image_url":
        media.append(_image(fields.get("image_url"), f"{where}.image_url"))
    elif kind == "input_audio":
        # Ollama's messages have no place for sound; its own /v1 puts it among the images.
        audio = expect(fields.get("input_audio"), dict, f"{where}.input_audio", "an object")
        media.append(expect(audio.get("data"), str, f"{where}.input_audio.data", "base64 text"))
    else:
        raise RequestUnsupported(
            f"'{where}' is a content part of type {str(kind)[:40]!r}; "
            "Ollama takes 'text', 'image_url' and 'input_audio'",
            param=where,
        )


def _image(image: object, where: str) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    url = expect(url, str, where, "an object with a 'url'")
    header = _DATA_URI.match(url)
    if header is None:
        raise RequestUnsupported(f"'{where}' is not image data. {_IMAGE_REMEDY}", param=where)
    mime = header["mime"].lower()
    if mime and not mime.startswith("image/"):
        raise RequestUnsupported(f"'{where}' is {mime[:40]}, not an image", param=where)
    return url[header.end() :]


def _tool_calls(message: dict[str, Any], where: str) -> list[Native]:
    calls = message.get("tool_calls")
    if calls is None:
        legacy = message.get("function_call")
        return [] if legacy is None else [{"function": _function(legacy, f"{where}.function_call")}]
    native: list[Native] = []
    for at, call in enumerate(expect(calls, list, f"{where}.tool_calls", "a list")):
        place = f"{where}.tool_calls[{at}]"
        fields = expect(call, dict, place, "an object")
        translated: Native = {"function": _function(fields.get("function"), f"{place}.function")}
        if isinstance(fields.get("id"), str):
            translated["id"] = fields["id"]
        native.append(translated)
    return native


def _function(function: object, where: str) -> Native:
    fields = expect(function, dict, where, "an object")
    name = expect(fields.get("name"), str, f"{where}.name", "a string")
    return {"name": name, "arguments": _arguments(fields.get("arguments"), f"{where}.arguments")}


def _arguments(arguments: object, where: str) -> object:
    """The arguments as the JSON object that the string holds, its text kept to the letter."""
    if arguments is None or isinstance(arguments, dict):
        return arguments or {}
    text = expect(arguments, str, where, "a string of JSON")
    if not text.strip():
        return {}
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RequestUnsupported(f"'{where}' is not a JSON object: {exc}", param=where) from exc
    return Raw(text.encode())


def _answered_call(message: dict[str, Any], conversation: Sequence[object], at: int) -> Native:
    """Which tool a tool message answers: by name, the call being looked up in what went before."""
    answered: Native = {}
    call_id = message.get("tool_call_id")
    name = message.get("name")
    if isinstance(call_id, str):
        answered["tool_call_id"] = call_id
        if not isinstance(name, str):
            name = _tool_name(call_id, conversation[:at])
    if isinstance(name, str) and name:
        answered["tool_name"] = name
    return answered


def _tool_name(call_id: str, before: Sequence[object]) -> str | None:
    # Backwards, because clients reuse ids such as `call_0` in every turn.
    for message in reversed(before):
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and call.get("id") == call_id:
                function = call.get("function")
                name = function.get("name") if isinstance(function, dict) else None
                return name if isinstance(name, str) else None
    return None
