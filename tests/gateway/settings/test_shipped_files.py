"""The files under config/ do what their comments say."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gateway.settings import Loaded, Settings, load
from gateway.settings.node import plain
from gateway.settings.yaml_file import read_yaml

CONFIG = Path(__file__).parents[3] / "config"
PROFILES = ["dev", "staging", "prod"]


def load_shipped(cwd: Path, profile: str, **environ: str) -> Loaded:
    return load({"SLUICEGATE_PROFILE": profile, **environ}, cwd=cwd)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The shipped files after the command that gateway.yaml tells people to run."""
    shutil.copytree(CONFIG, tmp_path / "config")
    (command,) = re.findall(r"^# +(sed .*)$", (CONFIG / "gateway.yaml").read_text(), re.MULTILINE)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_files_are_valid_and_leave_the_runners_to_discovery(profile: str) -> None:
    loaded = load_shipped(CONFIG.parent, profile)
    assert dict(loaded.settings.runners) == {}
    assert dict(loaded.settings.models) == {}
    assert loaded.files == (CONFIG / "gateway.yaml", CONFIG / "profiles" / f"{profile}.yaml")


def test_the_base_file_spells_out_the_defaults(tmp_path: Path) -> None:
    shutil.copy(CONFIG / "gateway.yaml", tmp_path)
    loaded = load({"SLUICEGATE_CONFIG": "gateway.yaml"}, cwd=tmp_path)
    assert loaded.settings == Settings()


def test_prod_asks_for_keys_and_starts_without_any() -> None:
    loaded = load({"SLUICEGATE_PROFILE": "prod"}, cwd=CONFIG.parent)
    assert (loaded.settings.auth.mode, loaded.settings.auth.keys) == ("keys", ())


@pytest.mark.parametrize(
    ("profile", "backend"), [("dev", "ollama"), ("staging", "llamacpp"), ("prod", "vllm")]
)
def test_one_line_of_a_profile_moves_the_example_to_another_backend(
    example: Path, profile: str, backend: str
) -> None:
    loaded = load_shipped(example, profile)
    model = loaded.settings.models["llama3"]
    assert model.backend == backend
    assert loaded.origin(("models", "llama3", "backend")).startswith(
        f"config/profiles/{profile}.yaml:"
    )
    assert {loaded.settings.runners[name].backend for name in model.backends[backend].runners} == {
        backend
    }


def test_one_variable_moves_the_example_too(example: Path) -> None:
    loaded = load_shipped(example, "dev", SLUICEGATE_MODELS__LLAMA3__BACKEND="vllm")
    assert loaded.settings.models["llama3"].backend == "vllm"


def test_the_example_is_commented_out_in_whole_and_keeps_its_comments(example: Path) -> None:
    text = (example / "config/gateway.yaml").read_text()
    begin, end = text.index("## example"), text.index("## end")
    block = text[begin:end].splitlines()[1:]
    assert all(line == "#" or not line.startswith("#") for line in block)
    assert "    # api_key_file" in text


def test_profiles_differ_in_values_and_not_in_keys(example: Path) -> None:
    base = yaml.safe_load((example / "config/gateway.yaml").read_text())
    for profile in PROFILES:
        overlay = yaml.safe_load((example / f"config/profiles/{profile}.yaml").read_text())
        assert keys(overlay) <= keys(base)


def keys(document: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = {(*path, key) for key in document}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= keys(value, (*path, key))
    return found


@pytest.mark.parametrize("name", ["gateway.yaml", *(f"profiles/{p}.yaml" for p in PROFILES)])
def test_editors_find_the_schema_and_the_files_obey_it(example: Path, name: str) -> None:
    file = example / "config" / name
    first = file.read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", first)
    assert match is not None
    schema = file.parent / match[1]
    node, faults = read_yaml(file, name)
    assert node is not None
    assert faults == []
    jsonschema.validate(plain(node), json.loads(schema.read_text()))
