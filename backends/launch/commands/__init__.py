"""Which command starts a runner: a pure function of the spec, the facts about the machine, a port.

A further kind of runner is one module here and one line in `_CHOICES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from backends.launch.commands import llama_cpp_python, llamacpp, ollama, vllm
from backends.launch.commands.base import Command
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.spec import LaunchSpec

_CHOICES: Mapping[str, Callable[[LaunchSpec, Machine, int], Command]] = MappingProxyType(
    {
        "llamacpp": llamacpp.command,
        "llama-cpp-python": llama_cpp_python.command,
        "vllm": vllm.command,
        "ollama": ollama.command,
    }
)


def command_for(spec: LaunchSpec, machine: Machine, port: int) -> Command:
    """Choose the command. Raises `LaunchError` naming what is missing and how to get it."""
    choose = _CHOICES.get(spec.backend)
    if choose is None:
        raise LaunchError(
            spec.name,
            f"backend {spec.backend!r} cannot be launched (only {', '.join(_CHOICES)} can): "
            "start that server yourself and give its `url` instead of `launch`",
        )
    return choose(spec, machine, port)
