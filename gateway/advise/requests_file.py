"""What a file of recorded requests makes use of: JSON lines, one request body each."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.advise.use import Use, uses_of_request

_MOST_BYTES = 256 << 20


class RequestsUnreadable(Exception):
    """The file is not JSON lines with an object each; the message names the line."""


def uses_in(path: Path) -> frozenset[Use]:
    """Look at the fields of every request; texts are neither kept nor shown.

    Raises `RequestsUnreadable`.
    """
    uses: set[Use] = set()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RequestsUnreadable(f"{path} is larger than {_MOST_BYTES >> 20} MiB: take a part")
        with path.open("rb") as file:
            for count, line in enumerate(file, 1):
                if line.strip():
                    uses |= uses_of_request(_body(line, path, count))
    except OSError as error:
        raise RequestsUnreadable(f"{path} cannot be read: {error.strerror}") from error
    return frozenset(uses)


def _body(line: bytes, path: Path, count: int) -> dict[str, object]:
    try:
        body = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RequestsUnreadable(f"{path}, line {count} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestsUnreadable(f"{path}, line {count} is not a request: an object is needed")
    return body
