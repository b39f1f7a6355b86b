"""Results as files: written whole or not at all, read with a clear word on what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from gateway.bench.result import SCHEMA, Result


class ResultUnreadable(Exception):
    """The file is not a result of this benchmark, or of a version that this one cannot read."""


class _Schema(msgspec.Struct):
    schema: int = 0


def encode_result(result: Result) -> bytes:
    """The JSON of a result, indented."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def decode_result(data: bytes, name: str) -> Result:
    """Read JSON that `encode_result` made; `name` is for the message of `ResultUnreadable`."""
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema == SCHEMA:
            return msgspec.json.decode(data, type=Result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResultUnreadable(
            f"{name} is not a result of 'sluicegate bench --json': {error}"
        ) from error
    raise ResultUnreadable(
        f"{name} has schema {schema}; this version reads schema {SCHEMA}. "
        "Make it again with 'sluicegate bench --json', or read it with the version that wrote it."
    )


def read_result(path: Path) -> Result:
    """Read a file. Raises `ResultUnreadable`, for one that cannot be opened as well."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResultUnreadable(f"{path} cannot be read: {error.strerror}") from error
    return decode_result(data, str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever finds half of it there. Raises `OSError`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
