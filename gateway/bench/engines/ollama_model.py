"""Give a fresh Ollama the model under test: it serves only what it has taken in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from backends.launch.errors import LaunchError
from backends.launch.machine import survey
from backends.launch.spec import LaunchSpec
from gateway.bench.engines.weights import Weights

_TAKING_IN_S = 300.0


async def take_in(spec: LaunchSpec, weights: Weights, url: str, threads: int | None) -> None:
    """`ollama create`, on the daemon at `url`, of a model that computes with so many threads.

    Raises `LaunchError` with what it said. Cancelling it ends the command.
    """
    file = weights.folder / "Modelfile"
    await asyncio.to_thread(_write, file, weights.for_llama_cpp(), threads)
    program = (*spec.command_words(), survey(spec).programs.get("ollama", "ollama"))[0]
    process = await asyncio.create_subprocess_exec(
        program,
        "create",
        weights.name,
        "-f",
        str(file),
        env={**os.environ, "OLLAMA_HOST": url.removeprefix("http://")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_TAKING_IN_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        fault = f"`ollama create` took longer than {_TAKING_IN_S:g} s"
        raise LaunchError(spec.name, fault) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(output.decode(errors="replace").split())[-300:]
        raise LaunchError(spec.name, f"`ollama create` failed: {said}")


def _write(file: Path, gguf: Path, threads: int | None) -> None:
    lines = [f"FROM {gguf.resolve()}"]
    if threads is not None:
        lines.append(f"PARAMETER num_thread {threads}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
