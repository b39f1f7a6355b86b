"""What the operator asked for under `launch:`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.launch.errors import LaunchError

BUILTIN = "builtin"
"""The value of `model` that means the model which comes with the distribution."""


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """One runner process to be started. Options left at None keep the runner's own default."""

    name: str
    """The runner's name in the configuration; it appears in every message."""
    backend: str
    model: str | None = None
    """`builtin`, a file or directory, or a Hugging Face id; Ollama takes none."""
    parallel: int | None = None
    """How many requests it works on at once."""
    context: int | None = None
    """Tokens of prompt and answer together that ONE request may use."""
    model_name: str | None = None
    """The name the runner gives the model; without it the file's stem or the id."""
    command: str | None = None
    """Program, with leading arguments if any, to run instead of the one that would be found.
    It must take the arguments of `llama-server`, `python -m llama_cpp.server`, `vllm` or `ollama`,
    after the backend. Split as a shell would; no shell runs it."""
    python: str | None = None
    """Interpreter that has the runner's package; without it, our own."""
    args: tuple[str, ...] = ()
    """Further arguments in the runner's own words. Host and port come after them and win."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment laid over what we inherited and set."""
    port: int | None = None
    """None: a free one, kept over restarts where possible."""
    ready_s: float = 300.0
    """How long one start may take until the runner answers."""
    gpu_layers: int | None = None
    """Layers to put on the GPU (the llama.cpp family)."""
    threads: int | None = None
    """Threads that compute (the llama.cpp family)."""

    def command_words(self) -> tuple[str, ...]:
        """`command`, split; empty when none is given. Raises `LaunchError` on unbalanced quotes."""
        try:
            return tuple(shlex.split(self.command or ""))
        except ValueError as exc:
            fault = f"`command` {self.command!r} cannot be split ({exc}): correct the quotes"
            raise LaunchError(self.name, fault) from exc
