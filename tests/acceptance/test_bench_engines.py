"""`sluicegate bench engines` as somebody types it."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from gateway.bench.engines.weights import Weights
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


@contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        (*COMMAND, *words),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], begin: str) -> None:
    assert process.stderr is not None
    assert any(line.startswith(begin) for line in process.stderr), f"no line begins with {begin!r}"


def sleeper(folder: Path) -> str:
    """In place of an interpreter: an engine that never gets ready."""
    program = folder / "sleeper"
    program.write_text("#!/bin/sh\nsleep 600\n")
    program.chmod(0o755)
    return str(program)


def anything_of(folder: Path) -> bool:
    """Whether a process runs that was started with something in `folder`."""
    return any(
        str(folder) in " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["cmdline"])
    )


@pytest.mark.slow
@needs_xllamacpp
def test_interrupted_while_a_later_engine_starts_it_keeps_the_others(tmp_path: Path) -> None:
    gguf = str(Weights(tmp_path, hidden=384).for_llama_cpp())
    what = ("--gguf", gguf, "--only", "llamacpp", "--slots", "2")
    never = ("--only", "llama-cpp-python", "--llama-cpp-python", sleeper(tmp_path))
    load = ("--users", "1", "--duration", "1s", "--repeats", "1", "--output-tokens", "4")
    with started(tmp_path, *what, *never, *load, "--json", "e.json") as process:
        wait_for_line(process, "starting llama-cpp-python")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; what had been measured by then is shown" in out
    found = read_result(tmp_path / "e.json")
    assert found.interrupted
    assert [step.target for step in found.steps] == [
        "llama.cpp, 2 slots, raw",
        "llama.cpp, 2 slots, gateway",
    ]
    assert not anything_of(tmp_path)


def test_interrupted_while_the_first_engine_starts_it_ends_with_130(tmp_path: Path) -> None:
    gguf = tmp_path / "mine.gguf"
    gguf.touch()
    never = ("--only", "llama-cpp-python", "--llama-cpp-python", sleeper(tmp_path))
    with started(tmp_path, "--gguf", str(gguf), *never, "--json", "e.json") as process:
        wait_for_line(process, "starting llama-cpp-python")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted before anything was measured; nothing is written" in err
    assert not (tmp_path / "e.json").exists()
    assert not anything_of(tmp_path)


def test_more_users_than_the_process_may_open_files_are_refused(tmp_path: Path) -> None:
    script = 'ulimit -n 256; exec "$@"'
    done = subprocess.run(
        ("/bin/sh", "-c", script, "sh", *COMMAND, "--users", "1,500", "--only", "ollama"),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "500 users need 1000 connections, but this process may open 256 files" in done.stderr


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
