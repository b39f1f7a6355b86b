from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from backends.builtin.export_hf import export_hf
from backends.launch.errors import LaunchError
from backends.launch.spec import LaunchSpec
from tests.backends.launch.processes import children, is_gone
from tests.backends.launch.watched import Watched, watch
from tests.fakes.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.anyio

OURS = sys.executable
"""With an interpreter named, the wheel is taken even where a llama-server is on the PATH."""

needs_xllamacpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf"))


def interpreter(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"set {variable} to an interpreter that has this runner")
    return python


async def ask(watched: Watched, path: str, body: dict[str, Any] | None = None) -> Any:
    def call() -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(watched.runner.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text

    return await asyncio.to_thread(call)


async def chat(watched: Watched, model: str = "tiny") -> int:
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": model, "messages": messages, "max_tokens": 3}
    answer = await ask(watched, "/v1/chat/completions", body)
    assert answer["model"] == model
    return int(answer["usage"]["completion_tokens"])


@needs_xllamacpp
async def test_llama_cpp_from_the_wheel_serves_and_comes_back_after_a_crash(tiny: str) -> None:
    spec = LaunchSpec("tiny", "llamacpp", model=tiny, parallel=2, context=256, python=OURS)
    watched = watch(spec)
    try:
        await watched.runner.start()
        await watched.reach("ready")
        assert await chat(watched) > 0
        assert [slot["n_ctx"] for slot in await ask(watched, "/slots")] == [256, 256]
        assert (await ask(watched, "/props"))["total_slots"] == 2
        assert "llamacpp:requests_deferred" in await ask(watched, "/metrics")
        pid, url = watched.runner.pid, watched.runner.url
        assert pid is not None
        os.killpg(pid, signal.SIGKILL)
        await watched.reach("ready")
        assert watched.runner.url == url
        assert await chat(watched) > 0
    finally:
        await watched.runner.stop()
    assert children() == set()


@needs_xllamacpp
async def test_a_field_of_xllamacpp_can_be_set_and_a_wrong_one_is_named(tiny: str) -> None:
    def with_field(text: str) -> Watched:
        spec = LaunchSpec("tiny", "llamacpp", model=tiny, python=OURS, args=("--set", text))
        return watch(spec)

    with pytest.raises(LaunchError, match="no plain field 'n_gpu'"):
        await with_field("n_gpu=3").runner.start()
    with pytest.raises(LaunchError, match="warmup takes a value like true"):
        await with_field("warmup=no").runner.start()
    right = with_field("api_prefix=")
    await right.runner.start()
    await right.runner.stop()


@needs_xllamacpp
async def test_a_file_that_is_no_model_is_told_in_llama_cpps_words(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"not a model")
    watched = watch(LaunchSpec("tiny", "llamacpp", model=str(bad)))
    with pytest.raises(LaunchError, match=r"exited with code 1(.|\n)*bad\.gguf"):
        await watched.runner.start()


async def test_llama_cpp_python_serves(tiny: str) -> None:
    python = interpreter("SLUICEGATE_TEST_LLAMA_CPP_PYTHON")
    spec = LaunchSpec("tiny", "llama-cpp-python", model=tiny, python=python, context=256)
    watched = watch(spec)
    try:
        await watched.runner.start()
        assert await chat(watched) > 0
    finally:
        await watched.runner.stop()
    assert children() == set()


@pytest.mark.slow
async def test_vllm_serves_and_its_engine_ends_with_it(tmp_path: Path) -> None:
    python = interpreter("SLUICEGATE_TEST_VLLM_PYTHON")
    spec = LaunchSpec(
        "tiny",
        "vllm",
        model=str(export_hf(tmp_path / "hf")),
        model_name="tiny",
        python=python,
        parallel=4,
        context=512,
        args=("--enforce-eager",),
        env={"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
    )
    watched = watch(spec, grace_s=10.0)
    try:
        await watched.runner.start()
        assert await chat(watched) > 0
        engines = [p.pid for p in psutil.Process(watched.runner.pid).children(recursive=True)]
        assert engines
    finally:
        await watched.runner.stop()
    assert all(map(is_gone, engines))
