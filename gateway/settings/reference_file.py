"""`python -m gateway.settings.reference_file` writes config/REFERENCE.md: every setting explained.

It is made from the same models that read the configuration, so it cannot say anything else.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.settings.derivation import DERIVED
from gateway.settings.settings import Settings

REFERENCE_FILE = Path("config") / "REFERENCE.md"

_NAME = ".<name>"
"""How any name of a map is written."""

_HEAD = """# Configuration reference

Every setting, with its default. Durations are in seconds. Each can be set in `config/gateway.yaml`,
in a profile, or by an environment variable: `server.port` is `SLUICEGATE_SERVER__PORT`. In a
variable, a runner's or model's own name is written in capitals, with `_` for any other character.

This file is generated (`make schema`); `sluicegate check` shows which values are in force, and why.

| setting | default | what it does |
|---|---|---|
"""


def reference_text() -> str:
    """The whole page, as Markdown."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    rows = [row for name in schema["properties"] for row in _rows(name, schema, definitions)]
    return _HEAD + "\n".join(rows) + "\n"


def _rows(name: str, schema: Any, definitions: Any, prefix: str = "") -> Iterator[str]:
    """The row of a setting; of a section what is said of it as a whole, then what is in it."""
    field = schema["properties"][name]
    path = f"{prefix}{name}"
    section, inside = _section(field, path, definitions)
    if section is None or "description" in field:
        required = name in schema.get("required", []) and not _derived(path)
        text = field.get("description", "").replace("|", "\\|").replace("\n", " ")
        yield f"| `{path}` | {_default(field, required)} | {text} |"
    for inner in section["properties"] if section is not None else ():
        yield from _rows(inner, section, definitions, f"{inside}.")


def _section(field: Any, path: str, definitions: Any) -> tuple[Any, str]:
    """The section that a field holds, one of it for each name or place, and how that is written."""
    for part in (field, *field.get("anyOf", ())):
        named = [part.get("additionalProperties"), *part.get("patternProperties", {}).values()]
        for held, written in (
            (part, ""),
            (part.get("items"), "[]"),
            *((n, _NAME) for n in named),
        ):
            if isinstance(held, dict) and "$ref" in held:
                return _properties(held, definitions), path + written
    return None, path


def _properties(reference: Any, definitions: Any) -> Any:
    found = definitions[reference["$ref"].rsplit("/", 1)[1]]
    return found if "properties" in found else None


def _derived(path: str) -> bool:
    return tuple(path.replace(_NAME, ".*").split(".")) in DERIVED


def _default(field: Any, required: bool) -> str:
    if required:
        return "required"
    value = field.get("default")
    return "" if value in (None, [], {}) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else REFERENCE_FILE).write_text(reference_text())
