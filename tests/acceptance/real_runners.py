"""Runners as they are, started as the gateway starts them, and what they tell of their load."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from backends.launch.port import free_port
from backends.launch.runner import LaunchedRunner
from backends.launch.spec import LaunchSpec
from tests.acceptance.raw_http import get

LLAMA_CPP_PYTHON = "SLUICEGATE_TEST_LLAMA_CPP_PYTHON"
VLLM = "SLUICEGATE_TEST_VLLM_PYTHON"
"""Environment variables that name an interpreter which has the runner."""

PATIENT = MappingProxyType({"OMP_WAIT_POLICY": "passive"})
"""llama.cpp's threads wait by spinning otherwise, for seconds where others want the cores too."""

XLLAMACPP = importlib.util.find_spec("xllamacpp") is not None


@asynccontextmanager
async def llama_server(model: Path, *, slots: int) -> AsyncIterator[str]:
    """A llama-server with the model `demo`; yields its url."""
    async with _launched("llamacpp", model=str(model), parallel=slots, env=PATIENT) as url:
        yield url


@asynccontextmanager
async def llama_cpp_python(model: Path) -> AsyncIterator[str]:
    """llama-cpp-python as the gateway starts it: running answers are not cut short."""
    python = os.environ[LLAMA_CPP_PYTHON]
    async with _launched("llama-cpp-python", model=str(model), python=python) as url:
        yield url


@asynccontextmanager
async def vllm(folder: Path, *, slots: int) -> AsyncIterator[str]:
    """vLLM with the model in `folder`."""
    async with _launched(
        "vllm",
        model=str(folder),
        parallel=slots,
        context=512,
        python=os.environ[VLLM],
        args=("--enforce-eager",),
        env={"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
    ) as url:
        yield url


@asynccontextmanager
async def _launched(backend: str, **spec: Any) -> AsyncIterator[str]:
    runner = LaunchedRunner(LaunchSpec("demo", backend, model_name="demo", **spec))
    await runner.start()
    try:
        yield runner.url
    finally:
        await runner.stop()


@asynccontextmanager
async def llama_cpp_python_by_default(model: Path) -> AsyncIterator[str]:
    """llama-cpp-python as its own documentation starts it, with no gateway in mind."""
    port = free_port()
    words = ("-m", "llama_cpp.server", "--model", str(model), "--model_alias", "demo")
    process = _start(os.environ[LLAMA_CPP_PYTHON], *words, "--port", str(port))
    try:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    if (await get(port, "/openapi.json")).status == 200:
                        break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclass(slots=True)
class LlamaServerLoad:
    """What a llama-server said of itself, asked again and again."""

    processing: int = 0
    """Most requests on its slots at once."""
    deferred: int = 0
    """Most requests that it had taken in beyond its slots."""
    looks: int = 0


_GAUGE = re.compile(rb"^llamacpp:requests_(processing|deferred) (\d+)", re.MULTILINE)


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[LlamaServerLoad]:
    """Ask a llama-server for its load every few milliseconds while the block lasts."""
    load = LlamaServerLoad()
    port = int(url.rpartition(":")[2])

    async def watch() -> None:
        while True:
            page = await get(port, "/metrics")
            told = {name.decode(): int(value) for name, value in _GAUGE.findall(page.body)}
            load.processing = max(load.processing, told["processing"])
            load.deferred = max(load.deferred, told["deferred"])
            load.looks += 1
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield load
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
