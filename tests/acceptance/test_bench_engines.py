"""`sluicegate bench engines` as somebody types it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.bench.result_file import read_result
from gateway.cli.bench_engines_report import busy_remark

COMMAND = (sys.executable, "-m", "gateway", "bench", "engines")
ROOT = Path(__file__).parents[2]
needs_xllamacpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)


def typed(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environ
    return subprocess.run(
        (*COMMAND, *words), cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@needs_xllamacpp
def test_one_command_compares_and_writes_one_report(tmp_path: Path) -> None:
    what = ("--only", "llamacpp", "--slots", "2", "--only", "ollama")
    load = ("--users", "2,15", "--duration", "1s", "--repeats", "1", "--output-tokens", "4")
    files = ("--json", "e.json", "--html", "e.html", "--svg", "e.svg", "--csv", "e.csv")
    done = typed(tmp_path, *what, *load, *files, PATH="/usr/bin:/bin")
    assert "not measured: Ollama: " in done.stdout, done.stderr
    assert "answered or told when to come back" in done.stdout
    assert "BROKEN" not in done.stdout
    assert done.returncode == 0, done.stdout
    steps = read_result(tmp_path / "e.json").steps
    assert [(step.users, step.target.rpartition(", ")[2]) for step in steps] == [
        (2, "raw"),
        (2, "gateway"),
        (15, "raw"),
        (15, "gateway"),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"e.json", "e.html", "e.svg", "e.csv"}


def test_without_any_engine_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = typed(tmp_path, "--only", "ollama", "--json", "e.json", PATH="/nowhere")
    assert done.returncode == 1
    assert "https://ollama.com/download" in done.stderr
    assert "nothing to report" in done.stderr
    assert not (tmp_path / "e.json").exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_started(tmp_path: Path) -> None:
    done = typed(tmp_path, "--svg", "none/e.svg")
    assert done.returncode == 2
    assert "none/e.svg cannot be written" in done.stderr


def test_a_busy_machine_is_reported() -> None:
    assert busy_remark(0.4, 2) == ""
    assert "load 3.1 on 2 cores" in busy_remark(3.1, 2)
