from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bench.engines.engine import Wish, find
from gateway.bench.engines.weights import Weights, WeightsMissing


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    return Weights(tmp_path, hidden=384)


def test_engines_that_are_not_installed_are_named_with_the_way_to_get_them(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    here, missing = find(Wish(only=frozenset({"vllm", "ollama"})), weights)
    assert here == []
    remedies = {each.name: each.remedy for each in missing}
    assert "pip install 'sluicegate[vllm]'" in remedies["vLLM"]
    assert "https://ollama.com/download" in remedies["Ollama"]


def test_llama_cpp_is_taken_once_for_each_number_of_slots(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "llama-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    here, missing = find(Wish(slots=(1, 4), only=frozenset({"llamacpp"})), weights)
    assert missing == []
    assert [each.name for each in here] == ["llama.cpp, 1 slot", "llama.cpp, 4 slots"]
    assert [each.spec.parallel for each in here] == [1, 4]
    assert {each.spec.model for each in here} == {str(weights.for_llama_cpp())}
    assert here[1].flags == ("parallel=4", "context=1024")


def test_an_engine_computes_with_as_many_threads_as_it_has_cores(weights: Weights) -> None:
    wish = Wish(cores=3, llama_cpp_python="/bin/sh", vllm="/bin/sh", slots=(1,))
    here, _ = find(wish, weights)
    named = {each.backend: each for each in here}
    assert named["llama-cpp-python"].spec.threads == 3
    assert named["vllm"].spec.env["OMP_NUM_THREADS"] == "3"
    assert all("cores=3" in each.flags for each in here)


def test_an_interpreter_that_is_given_is_believed_to_have_the_engine(weights: Weights) -> None:
    wish = Wish(llama_cpp_python="/bin/sh", only=frozenset({"llama-cpp-python"}))
    here, _ = find(wish, weights)
    assert [each.spec.python for each in here] == ["/bin/sh"]
    assert here[0].slots == 1


def test_a_model_of_ones_own_needs_its_other_form_for_vllm(tmp_path: Path) -> None:
    own = Weights(tmp_path, gguf=tmp_path / "mine-q4.gguf")
    assert own.name == "mine-q4"
    with pytest.raises(WeightsMissing, match=r"does not read mine-q4\.gguf.*--hugging-face"):
        own.for_vllm()
    assert Weights(tmp_path, own.gguf, "me/mine").for_vllm() == "me/mine"


def test_the_built_in_model_is_written_once_in_each_form(weights: Weights) -> None:
    gguf, folder = weights.for_llama_cpp(), Path(weights.for_vllm())
    written = gguf.stat().st_mtime_ns
    assert (folder / "model.safetensors").exists()
    assert weights.for_llama_cpp() == gguf
    assert gguf.stat().st_mtime_ns == written
    assert "widened to 384" in weights.described
