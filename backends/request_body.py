"""The fields of a call, put into a runner's dialect. What is not named here stays byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Raw

from backends.base import Call, Operation

NULL = b"null"

SCHEDULING_FIELDS = frozenset({"priority", "cache_salt", "id_slot", "keep_alive", "session_id"})
"""They steer the runner's own scheduling or caches, which is not for clients to do."""

NEUTRAL: Mapping[str, frozenset[bytes]] = MappingProxyType(
    {
        "n": frozenset({b"1"}),
        "best_of": frozenset({b"1"}),
        "parallel_tool_calls": frozenset({b"true"}),
        "modalities": frozenset({b'["text"]'}),
        "logit_bias": frozenset({b"{}"}),
        "tool_choice": frozenset({b'"auto"', b'"none"'}),
    }
)
"""Values of fields that ask for nothing special, so that ignoring them changes no answer."""

_FIELDS = msgspec.json.Decoder(dict[str, Raw]).decode
_INCLUDE_USAGE = Raw(b'{"include_usage":true}')


def raw(value: object) -> Raw:
    """`value` as JSON, to stand among the untouched fields of a call."""
    return Raw(msgspec.json.encode(value))


def is_null(field: Raw | None) -> bool:
    """Whether a field is absent or null, which mean the same to OpenAI."""
    return field is None or bytes(field) == NULL


def is_list(field: Raw | None) -> bool:
    """Whether a field holds a JSON array."""
    return field is not None and bytes(memoryview(field)[:1]) == b"["


def ask_for_usage(call: Call, fields: dict[str, Raw]) -> None:
    """Have the runner count the tokens of a stream; other stream options are kept."""
    if not call.stream or call.include_usage or call.operation is Operation.EMBEDDINGS:
        return
    given = fields.get("stream_options")
    if given is None or is_null(given):
        fields["stream_options"] = _INCLUDE_USAGE
    else:
        fields["stream_options"] = raw(_object(given) | {"include_usage": Raw(b"true")})


def asks_continuous_usage(call: Call) -> bool:
    """Whether the caller wants usage with every chunk, vLLM's extension of the stream options."""
    given = call.fields.get("stream_options")
    return (
        given is not None
        and b"continuous_usage_stats" in bytes(given)
        and _object(given).get("continuous_usage_stats") == Raw(b"true")
    )


def without_effect(fields: Mapping[str, Raw], ignored: frozenset[str]) -> tuple[str, ...]:
    """The fields that a runner ignores although they ask for something, in alphabetic order."""
    found = ignored.intersection(fields)
    if not found:
        return ()
    return tuple(
        sorted(
            name
            for name in found
            if not is_null(fields[name])
            and bytes(fields[name]).replace(b" ", b"") not in NEUTRAL.get(name, frozenset())
        )
    )


def _object(field: Raw) -> dict[str, Raw]:
    """The members of a JSON object; none if it is something else."""
    try:
        return _FIELDS(field)
    except msgspec.ValidationError:
        return {}
