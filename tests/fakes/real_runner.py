"""Real runners in processes of their own, on a tiny model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

XLLAMACPP_SERVER = Path(__file__).parents[2] / "backends" / "launch" / "xllamacpp_server.py"
MODEL = "tiny"


@contextmanager
def llama_server(model: Path, *settings: str, parallel: int = 2) -> Iterator[str]:
    """llama.cpp's own server out of the wheel `xllamacpp`; yields its url."""
    command = [sys.executable, str(XLLAMACPP_SERVER), "--model", str(model), "--alias", MODEL]
    command += ["--parallel", str(parallel), "--context", str(2048 * parallel)]
    for setting in ("warmup=false", *settings):
        command += ["--set", setting]
    with _started([*command, "--host", "127.0.0.1", "--port"], "/health") as url:
        yield url


@contextmanager
def llama_cpp_python(python: str, model: Path, *options: str) -> Iterator[str]:
    """llama-cpp-python's server, set not to interrupt a running stream; yields its url."""
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", MODEL]
    command += ["--n_ctx", "2048", "--interrupt_requests", "False", *options]
    with _started([*command, "--host", "127.0.0.1", "--port"], "/openapi.json") as url:
        yield url


@contextmanager
def vllm(python: str, model: Path, *options: str) -> Iterator[str]:
    """vLLM on the CPU; yields its url. It takes half a minute to start."""
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--served-model-name", MODEL, "--max-model-len", "512", "--enforce-eager"]
    command += ["--max-num-seqs", "4", *options]
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1",
    }
    with _started([*command, "--host", "127.0.0.1", "--port"], "/health", settings) as url:
        yield url


@contextmanager
def _started(
    command: Sequence[str], page: str, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    port = _free_port()
    process = subprocess.Popen(
        [*command, str(port)],
        env={**os.environ, **(settings or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, url + page)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str, within_s: float = 180.0) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the runner ended with code {process.returncode} while starting")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer within {within_s:g} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
