"""`python -m gateway.settings.schema_file` writes config/schema.json, which editors read."""

import json
import sys
from pathlib import Path
from typing import Any

from gateway.settings.settings import Settings

SCHEMA_FILE = Path("config") / "schema.json"


def schema_text() -> str:
    """The JSON schema of one file: nothing is required, since another file may say it; and no
    secrets, since they do not belong into files."""
    schema = _for_files(Settings.model_json_schema())
    schema["title"] = "Sluicegate configuration"
    schema["description"] = "config/gateway.yaml and config/profiles/*.yaml"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _for_files(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_for_files(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: _for_files(v) for k, v in schema.items() if k not in ("required", "writeOnly")}
    if "properties" in schema:
        properties = {
            name: _for_files(part)
            for name, part in schema["properties"].items()
            if '"format": "password"' not in json.dumps(part)
        }
        kept["properties"] = properties
        # `runners:` with everything below it commented out
        kept["type"] = ["object", "null"]
    elif schema.get("type") == "object":
        kept["type"] = ["object", "null"]
    return kept


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else SCHEMA_FILE).write_text(schema_text())
