"""Reading single request fields out of their raw JSON, with messages a caller can act on."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from backends.errors import RequestUnsupported

T = TypeVar("T")

_NULL = Raw(b"null")


def is_null(raw: Raw) -> bool:
    """Whether the field is JSON `null`, which is the same as an absent field."""
    return raw == _NULL


def decode(raw: Raw, name: str) -> Any:
    """Decode one field. Raises `RequestUnsupported` naming it when it cannot be read."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # Fields arrive checked for structure only: text that is not UTF-8, half a surrogate pair
        # and numbers beyond a double first show here.
        raise RequestUnsupported(f"'{name}' cannot be read as JSON: {exc}", param=name) from exc


def expect(value: object, kind: type[T], name: str, wanted: str) -> T:
    """Return `value` if it is a `kind` (a boolean is no int), else raise `RequestUnsupported`."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = "null" if value is None else type(value).__name__
        raise RequestUnsupported(f"'{name}' must be {wanted}, not {found}", param=name)
    return value
