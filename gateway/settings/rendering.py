"""The effective configuration as text: YAML, with where each value came from, without secrets."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, SecretStr

from gateway.settings.loading import Loaded
from gateway.settings.masking import MASK, masked_text, names_a_secret, quoted
from gateway.settings.node import KeyPath
from gateway.settings.yaml_file import core_value

Row: TypeAlias = tuple[str, str]  # text, origin or nothing

_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_./:@+-]*(?<!:)")
_WIDEST = 64


def render_effective(loaded: Loaded) -> str:
    """Every value that is in force, defaults included, in the order of the schema."""
    files = ", ".join(str(file) for file in loaded.files) or "none, built-in defaults"
    rows = list(_section(loaded, loaded.settings, (), 0))
    width = min(max(len(text) for text, _ in rows), _WIDEST)
    lines = [f"{text:<{width}}  # {origin}" if origin else text for text, origin in rows]
    head = [f"# profile: {loaded.profile}", f"# files: {files}"]
    return "\n".join([*head, *lines]) + "\n"


def _section(loaded: Loaded, section: BaseModel, path: KeyPath, depth: int) -> Iterator[Row]:
    for name in type(section).model_fields:
        yield from _entry(loaded, getattr(section, name), (*path, name), depth)


def _entry(loaded: Loaded, value: object, path: KeyPath, depth: int) -> Iterator[Row]:
    head = f"{'  ' * depth}{_text(path[-1])}:"
    if isinstance(value, BaseModel):
        yield head, ""
        yield from _section(loaded, value, path, depth + 1)
    elif isinstance(value, Mapping) and value:
        yield head, ""
        for key, child in value.items():
            yield from _entry(loaded, child, (*path, key), depth + 1)
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        yield head, loaded.origin(path)
        for number, item in enumerate(value):
            rows = list(_section(loaded, item, (*path, str(number)), depth + 2))
            bullet = f"{'  ' * (depth + 1)}- {rows[0][0].lstrip()}"
            yield bullet, rows[0][1]
            yield from rows[1:]
    else:
        hidden = path[-2:-1] in (("headers",), ("env",)) and names_a_secret(path[-1])
        yield f"{head} {quoted(MASK) if hidden else _inline(value)}", loaded.origin(path)


def _inline(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    return "{}" if isinstance(value, Mapping) else _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, SecretStr):
        return quoted(MASK)
    if isinstance(value, str | Path):
        return _text(masked_text(str(value)))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def _text(text: str) -> str:
    # Other readers may follow YAML 1.1, where `no` and 12:30 are not text.
    plain = _PLAIN.fullmatch(text) and core_value(text) == text == yaml.safe_load(text)
    return text if plain else quoted(text)
