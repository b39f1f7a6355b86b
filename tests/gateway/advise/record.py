"""Makes the recorded results in `recorded/` anew: `python -m tests.gateway.advise.record`.

One user on Ollama's dialect (a fake that writes 40 tokens a second), ten on a llama-server with one
slot, fifty on llama-cpp-python (the interpreter of SLUICEGATE_TEST_LLAMA_CPP_PYTHON). Some three
minutes; what the machine was doing meanwhile is in the figures, and does not change the advice.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from gateway.bench.engines.ballast import write_with_ballast
from tests.acceptance import real_runners as real
from tests.fakes.ollama import MODELS, FakeOllama
from tests.fakes.ollama_engine import Answer, Engine

RECORDED = Path(__file__).with_name("recorded")
_TOKEN_S = 0.025
_HIDDEN = 32_768


class _Paced(Engine):
    async def _pieces(self, limit: int | None) -> AsyncGenerator[dict[str, object], None]:
        async for piece in super()._pieces(limit):
            await asyncio.sleep(_TOKEN_S)
            yield piece


async def _bench(name: str, url: str, *words: str) -> None:
    # Its own path is in the file, so it is a short one that is the same everywhere.
    out = ("--json", f"{name}.json", "--repeats", "1")
    command = ("-m", "gateway", "bench", "--url", url, *out, *words)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=RECORDED, env=env)
    if await process.wait():
        raise SystemExit(f"{name} could not be recorded")


async def _record(folder: Path) -> None:
    async with FakeOllama() as ollama:
        ollama.engine.__class__ = _Paced
        ollama.engine.answer = Answer([{"content": f"word{n} "} for n in range(200)])
        options = ("--api", "ollama", "--model", MODELS[0].name, "--users", "1")
        await _bench("one_user", ollama.url, *options, "--duration", "60s")
    model = write_with_ballast(folder / "demo.gguf", _HIDDEN)
    options = ("--model", "demo", "--duration", "20s")
    async with real.llama_server(model, slots=1) as url:
        few = ("--users", "1,5,10", "--output-tokens", "64")
        await _bench("ten_users", url, *options, *few)
    async with real.llama_cpp_python(model) as url:
        many = ("--users", "1,10,50", "--output-tokens", "128")
        await _bench("fifty_users", url, *options, *many)


def main() -> None:
    """Record all three."""
    RECORDED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_record(Path(folder)))


if __name__ == "__main__":
    main()
