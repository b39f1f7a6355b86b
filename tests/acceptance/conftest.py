"""Fixtures of the acceptance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.builtin import model_path
from backends.builtin.export_hf import export_hf
from tests.fakes.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model, which answers in words; a random one where it is not there."""
    if model_path().exists():
        return model_path()
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def hugging_face_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model in the form that vLLM reads."""
    if not model_path().exists():
        pytest.skip("the built-in model is not there")
    return export_hf(tmp_path_factory.mktemp("hugging-face") / "demo")
