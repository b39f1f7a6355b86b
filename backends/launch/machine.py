"""Facts about this machine that decide which command can start a runner."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.builtin import model_path
from backends.launch.spec import BUILTIN, LaunchSpec

_PROGRAMS = ("llama-server", "vllm", "ollama")
_MODULES = ("xllamacpp", "llama_cpp", "sse_starlette", "starlette_context", "vllm")


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found for one spec. Values only, so that choosing a command needs no machine."""

    python: str
    """Our own interpreter."""
    modules: frozenset[str] = frozenset()
    """Top-level modules, of those that matter here, which our own interpreter can import."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """Programs on the PATH, and those that the spec names: what was asked for -> full path."""
    vllm_beside_python: str | None = None
    """The `vllm` script in the folder of the spec's interpreter, or of ours if it names none."""
    vllm_cpu: frozenset[str] = frozenset()
    """Those of the `vllm` scripts found that belong to the distribution `vllm-cpu`."""
    model_file: str | None = None
    """Full path of the spec's model where that is a file or folder here."""


def survey(spec: LaunchSpec) -> Machine:
    """Look, without importing or starting anything. Blocks for a few milliseconds."""
    asked = {*_PROGRAMS, *spec.command_words()[:1], spec.python or sys.executable}
    programs = {name: path for name in asked if (path := shutil.which(os.path.expanduser(name)))}
    python = programs.get(spec.python or sys.executable, "")
    beside = shutil.which("vllm", path=os.path.dirname(python)) if python else None
    scripts = {path for path in (beside, programs.get("vllm")) if path}
    return Machine(
        python=sys.executable,
        modules=frozenset(name for name in _MODULES if importlib.util.find_spec(name)),
        programs=programs,
        vllm_beside_python=beside,
        vllm_cpu=frozenset(path for path in scripts if _is_vllm_cpu(path)),
        model_file=_model_file(spec.model),
    )


def _is_vllm_cpu(script: str) -> bool:
    prefix = Path(script).parent.parent
    return any(prefix.glob("lib/python3*/site-packages/vllm_cpu-*.dist-info"))


def _model_file(model: str | None) -> str | None:
    if model is None:
        return None
    path = model_path() if model == BUILTIN else Path(model).expanduser()
    return str(path.resolve()) if path.exists() else None
