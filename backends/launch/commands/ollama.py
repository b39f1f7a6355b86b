"""Ollama's daemon, which serves every model that it has pulled."""

from __future__ import annotations

from backends.launch.commands.base import HOST, Command, given_program, refuse
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.spec import LaunchSpec


def command(spec: LaunchSpec, machine: Machine, port: int) -> Command:
    """Take the given command, else `ollama` on the PATH. It is configured by environment alone."""
    pulled = "it serves the models it has (`ollama pull`); name one in the target, not here"
    refuse(spec, "model", pulled)
    refuse(spec, "model_name", pulled)
    refuse(spec, "gpu_layers", "it decides by itself; remove the option")
    refuse(spec, "threads", "a model has them as `PARAMETER num_thread` in its Modelfile")
    limits = {"OLLAMA_NUM_PARALLEL": spec.parallel, "OLLAMA_CONTEXT_LENGTH": spec.context}
    env = {name: str(value) for name, value in limits.items() if value is not None}
    env = {**env, **spec.env, "OLLAMA_HOST": f"{HOST}:{port}"}
    return Command("ollama", (*_program(spec, machine), "serve", *spec.args), env, "/api/version")


def _program(spec: LaunchSpec, machine: Machine) -> tuple[str, ...]:
    given = given_program(spec, machine)
    if given:
        return given
    if "ollama" not in machine.programs:
        fault = "ollama is not on the PATH: install it from https://ollama.com/download"
        raise LaunchError(spec.name, f"{fault}, or set `command`")
    return (machine.programs["ollama"],)
