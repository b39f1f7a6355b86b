"""Where the model of a spec comes from, and what the runner should call it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backends.builtin import MODEL_ID
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.spec import BUILTIN, LaunchSpec

_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<quant>[\w.-]+))?")


@dataclass(frozen=True, slots=True)
class Model:
    """A file or folder here (`path`), or else a repository on the Hugging Face hub (`repo`)."""

    name: str
    path: str | None = None
    repo: str | None = None
    quant: str | None = None
    """Which quantisation of a GGUF repository, where the id says it (`user/repo:Q4_K_M`)."""


def find_model(spec: LaunchSpec, machine: Machine) -> Model:
    """Read `spec.model`. Raises `LaunchError` when it is missing or neither file nor hub id."""
    if not spec.model:
        fault = (
            f"{spec.backend} needs a model: set `model` to a file, a Hugging Face id or `builtin`"
        )
        raise LaunchError(spec.name, fault)
    if machine.model_file:
        own_name = MODEL_ID if spec.model == BUILTIN else _file_name(machine.model_file)
        return Model(spec.model_name or own_name, path=machine.model_file)
    hub = _HUB_ID.fullmatch(spec.model)
    if spec.model == BUILTIN:
        raise LaunchError(spec.name, "the built-in model's file is missing: reinstall sluicegate")
    if hub is None or spec.model.startswith(".") or spec.model.endswith(".gguf"):
        fault = f"model {spec.model!r} is no file here and no Hugging Face id: correct the path"
        raise LaunchError(spec.name, fault)
    return Model(spec.model_name or spec.model, repo=hub["repo"], quant=hub["quant"])


def _file_name(path: str) -> str:
    # The name of a folder may well have a dot in it that starts no suffix.
    return Path(path).name.removesuffix(".gguf")
