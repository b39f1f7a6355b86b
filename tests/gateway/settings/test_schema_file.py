"""config/schema.json is what the settings say, and means what the loader does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.settings.reference_file import REFERENCE_FILE, reference_text
from gateway.settings.schema_file import SCHEMA_FILE, schema_text

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(schema_text())
    return parsed


def test_the_shipped_schema_is_current() -> None:
    shipped = (ROOT / SCHEMA_FILE).read_text()
    assert shipped == schema_text(), "run `python -m gateway.settings.schema_file`"


def test_the_shipped_reference_is_current() -> None:
    shipped = (ROOT / REFERENCE_FILE).read_text()
    assert shipped == reference_text(), "run `make schema`"


def test_the_reference_calls_required_what_is_and_says_what_sections_are() -> None:
    lines = [line.split(" | ") for line in reference_text().splitlines() if line[:3] == "| `"]
    rows = {path.strip("| `"): (default.strip(), text) for path, default, text in lines}
    assert len(rows) == len(lines)
    for path, (default, text) in rows.items():
        assert (default == "required") is ("Required" in text), path
    assert rows["models.<name>.backend"][0] == rows["models.<name>.backends.<name>.model"][0] == ""
    assert "refused at once" in rows["queue.wait_s"][1]
    assert "Start it" in rows["runners.<name>.launch"][1]


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"runners": None, "server": None},
        {"models": {"m": {"backend": "vllm"}}},
        {"runners": {"box": {"slots": 3}}},
        {"runners": {"box": {"slots": "auto", "launch": None}}},
    ],
)
def test_a_part_of_a_configuration_is_valid(
    schema: dict[str, Any], document: dict[str, Any]
) -> None:
    jsonschema.validate(document, schema)


@pytest.mark.parametrize(
    "document",
    [
        {"sever": {}},
        {"server": {"port": 99999}},
        {"server": {"workers": 65}},
        {"log": {"level": "loud"}},
        {"models": {"m": {"backend": "vlm"}}},
        {"runners": {"box": {"api_key": "a literal secret"}}},
        {"runners": {"box": {"slots": "many"}}},
    ],
)
def test_a_faulty_document_is_not(schema: dict[str, Any], document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_it_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    command = [sys.executable, "-W", "error", "-m", "gateway.settings.schema_file", str(file)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert file.read_text() == schema_text()
