"""One model in the forms that engines read: a GGUF file, and a Hugging Face folder."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from backends.builtin import MODEL_ID
from backends.builtin.export_hf import export_hf
from gateway.bench.engines.ballast import write_with_ballast


class WeightsMissing(Exception):
    """The model is not there in the form that an engine needs; `fault` says what to do."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Weights:
    """What every engine is to run: a model of the operator's, or the built-in one with ballast."""

    folder: Path
    """For files that have to be written; removed by whoever made it."""
    gguf: Path | None = None
    """Another model than the built-in one."""
    hugging_face: str | None = None
    """The same weights as `gguf`: a folder, or an id on the hub."""
    hidden: int = 32_768
    """Width of the built-in model's layers with its ballast: some 50 million parameters."""

    @property
    def name(self) -> str:
        """What every engine calls it."""
        return MODEL_ID if self.gguf is None else self.gguf.stem

    @property
    def described(self) -> str:
        """What it is, for the report."""
        if self.gguf is not None:
            return self.gguf.name
        return f"{MODEL_ID}, layers widened to {self.hidden} by zeros"

    def for_llama_cpp(self) -> Path:
        """A GGUF file; the built-in model gets its ballast the first time.

        Raises `WeightsMissing`.
        """
        if self.gguf is not None:
            return self.gguf
        _need("gguf", "numpy")
        file = self.folder / f"{MODEL_ID}.gguf"
        return file if file.exists() else write_with_ballast(file, self.hidden)

    def for_vllm(self) -> str:
        """A folder or an id; the built-in model is written out the first time.

        Raises `WeightsMissing`.
        """
        if self.hugging_face is not None:
            return self.hugging_face
        if self.gguf is not None:
            raise WeightsMissing(
                f"it does not read {self.gguf.name}: name a folder or id with the same weights "
                "with --hugging-face"
            )
        folder = self.folder / "hugging-face"
        source = self.for_llama_cpp()
        return str(folder if folder.exists() else export_hf(folder, source))


def _need(*packages: str) -> None:
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        raise WeightsMissing(
            f"writing the built-in model for it needs {' and '.join(absent)}: "
            f"pip install {' '.join(absent)}, or name a model of yours with --gguf"
        )
