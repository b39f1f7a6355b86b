from __future__ import annotations

import asyncio
import importlib.util
import json
import urllib.request
from pathlib import Path

import pytest
from gguf import GGUFReader

from backends.builtin import model_path
from backends.launch.runner import LaunchedRunner
from backends.launch.spec import LaunchSpec
from gateway.bench.engines.ballast import write_with_ballast

pytestmark = pytest.mark.anyio

needs_xllamacpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)


def test_only_the_layers_grow_and_by_zeros(tmp_path: Path) -> None:
    before = GGUFReader(model_path())
    after = GGUFReader(write_with_ballast(tmp_path / "heavy.gguf", 1024))
    changed = {
        name
        for name, field in before.fields.items()
        if after.fields[name].contents() != field.contents()
    }
    assert changed == {"llama.feed_forward_length"}
    assert after.fields["llama.feed_forward_length"].contents() == 1024
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.name, old.tensor_type) == (new.name, new.tensor_type)
        rows, columns = old.data.shape if old.data.ndim == 2 else (len(old.data), None)
        kept = new.data[:rows] if columns is None else new.data[:rows, :columns]
        assert (kept == old.data).all()
        assert new.data.sum(dtype=float) == old.data.sum(dtype=float)
        assert (new.data.size > old.data.size) == (".ffn_" in old.name and "norm" not in old.name)


@needs_xllamacpp
async def test_the_answers_stay_the_same(tmp_path: Path) -> None:
    heavy = write_with_ballast(tmp_path / "heavy.gguf", 2048)
    light = await _answer(model_path())
    assert await _answer(heavy) == light
    assert "gateway" in light


async def _answer(model: Path) -> str:
    runner = LaunchedRunner(LaunchSpec("demo", "llamacpp", model=str(model), context=512))
    await runner.start()
    try:
        return await asyncio.to_thread(_ask, runner.url)
    finally:
        await runner.stop()


def _ask(url: str) -> str:
    messages = [{"role": "user", "content": "What is Sluicegate?"}]
    body = {"messages": messages, "max_tokens": 24, "temperature": 0}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])
