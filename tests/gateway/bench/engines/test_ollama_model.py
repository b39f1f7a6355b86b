"""`ollama create`, with a program in the place of ollama that writes down how it was called."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.launch.errors import LaunchError
from backends.launch.spec import LaunchSpec
from gateway.bench.engines.ollama_model import take_in
from gateway.bench.engines.weights import Weights
from tests.backends.launch.processes import children, eventually

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:4321"


def program(folder: Path, script: str) -> LaunchSpec:
    file = folder / "ollama"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return LaunchSpec("Ollama", "ollama", command=str(file))


async def test_the_weights_are_handed_to_the_daemon_of_that_address(tmp_path: Path) -> None:
    weights = Weights(tmp_path, hidden=384)
    log = tmp_path / "log"
    await take_in(program(tmp_path, f'echo "$OLLAMA_HOST" "$@" > {log}'), weights, URL, None)
    host, verb, name, flag, modelfile = log.read_text().split()
    assert (host, verb, name, flag) == ("127.0.0.1:4321", "create", "sluicegate-demo", "-f")
    assert modelfile == str(tmp_path / "Modelfile")
    assert _said(modelfile) == f"FROM {weights.for_llama_cpp()}\n"


async def test_a_model_keeps_to_as_many_threads_as_it_has_cores(tmp_path: Path) -> None:
    await take_in(program(tmp_path, "exit 0"), Weights(tmp_path, hidden=384), URL, 3)
    assert _said(str(tmp_path / "Modelfile")).endswith("\nPARAMETER num_thread 3\n")


def _said(file: str) -> str:
    return Path(file).read_text()


async def test_what_it_says_when_it_fails_is_told(tmp_path: Path) -> None:
    spec = program(tmp_path, "echo 'Error: no space left' >&2; exit 1")
    with pytest.raises(LaunchError, match="`ollama create` failed: Error: no space left"):
        await take_in(spec, Weights(tmp_path, hidden=384), URL, None)


async def test_whoever_gives_up_ends_it(tmp_path: Path) -> None:
    spec = program(tmp_path, "exec sleep 600")
    task = asyncio.create_task(take_in(spec, Weights(tmp_path, hidden=384), URL, None))
    await eventually(lambda: bool(children()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == set()
