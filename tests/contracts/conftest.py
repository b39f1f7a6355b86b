"""The runners that the contract of a backend is held against."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.base import BackendKind
from backends.builtin.export_hf import export_hf
from tests.contracts.rig import Rig
from tests.fakes import real_runner
from tests.fakes.ollama import FakeOllama
from tests.fakes.runner import FakeRunner
from tests.fakes.tiny_gguf import write_tiny_gguf

SCRIPTED: list[BackendKind] = ["llamacpp", "llama-cpp-python", "vllm", "openai"]
FAKES = [pytest.param(f"fake {kind}", id=f"fake-{kind}") for kind in ("ollama", *SCRIPTED)]
REAL = [
    pytest.param("llama_server_url", id="llama-server"),
    pytest.param("llama_cpp_python_url", id="llama-cpp-python"),
    pytest.param("vllm_url", id="vllm", marks=pytest.mark.slow),
]
REAL_KINDS: dict[str, BackendKind] = {
    "llama_server_url": "llamacpp",
    "llama_cpp_python_url": "llama-cpp-python",
    "vllm_url": "vllm",
}


@pytest.fixture(params=[*FAKES, *REAL])
async def rig(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Rig]:
    """Every kind of backend, before a fake and, where that is installed, before the real runner."""
    name: str = request.param
    if name in REAL_KINDS:
        made = Rig(REAL_KINDS[name], request.getfixturevalue(name))
        yield made
        await made.backend.aclose()
        return
    kind: BackendKind = name.removeprefix("fake ")  # type: ignore[assignment]  # from FAKES
    if kind == "ollama":
        async with FakeOllama() as ollama:
            made = Rig("ollama", ollama.url, "llama3:8b", ollama.requests)
            yield made
            await made.backend.aclose()
        return
    async with scripted(kind) as made:
        yield made


@pytest.fixture(params=REAL)
async def real_rig(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Rig]:
    """The runners that are here in the flesh."""
    made = Rig(REAL_KINDS[request.param], request.getfixturevalue(request.param))
    yield made
    await made.backend.aclose()


@pytest.fixture(params=SCRIPTED)
async def scripted_rig(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Rig]:
    """Every kind of backend that the scripted fake can stand before."""
    async with scripted(request.param) as made:
        yield made


@asynccontextmanager
async def scripted(kind: BackendKind) -> AsyncIterator[Rig]:
    """A rig with the scripted fake; vLLM stands for any OpenAI-compatible server."""
    async with FakeRunner("vllm" if kind == "openai" else kind) as fake:
        made = Rig(kind, fake.url, "tiny", fake.requests, fake)
        yield made
        await made.backend.aclose()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def llama_server_url(tiny: Path) -> Iterator[str]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    with real_runner.llama_server(tiny) as url:
        yield url


@pytest.fixture(scope="session")
def llama_cpp_python_url(tiny: Path) -> Iterator[str]:
    python = _interpreter("SLUICEGATE_TEST_LLAMA_CPP_PYTHON")
    with real_runner.llama_cpp_python(python, tiny) as url:
        yield url


@pytest.fixture(scope="session")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    python = _interpreter("SLUICEGATE_TEST_VLLM_PYTHON")
    with real_runner.vllm(python, export_hf(tmp_path_factory.mktemp("hf") / "tiny")) as url:
        yield url


def _interpreter(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"set {variable} to an interpreter that has this runner")
    return python
