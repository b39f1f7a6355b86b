"""llama-cpp-python's own server, which works on one request at a time."""

from __future__ import annotations

from backends.launch.commands.base import Command, address, given_program, interpreter, options
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.model import find_model
from backends.launch.spec import LaunchSpec

_NEEDED = frozenset({"llama_cpp", "sse_starlette", "starlette_context"})


def command(spec: LaunchSpec, machine: Machine, port: int) -> Command:
    """Take the given command, else the module in the operator's interpreter, else in ours."""
    model = find_model(spec, machine)
    if spec.parallel is not None and spec.parallel > 1:
        fault = f"llama-cpp-python works on one request at a time: `parallel: {spec.parallel}` > 1"
        raise LaunchError(spec.name, f"{fault}; set it to 1, or take the backend llamacpp")
    chosen = options(
        ("--model", model.path or f"*{model.quant or ''}*.gguf"),
        ("--hf_model_repo_id", model.repo),
        ("--model_alias", model.name),
        ("--n_ctx", spec.context),
        ("--n_gpu_layers", spec.gpu_layers),
        ("--n_threads", spec.threads),
        ("--n_threads_batch", spec.threads),
    )
    # By default a new request cuts the running one short, and its caller takes that for the end.
    fixed = ("--interrupt_requests", "False", *address(port))
    argv = (*_server(spec, machine), *chosen, *spec.args, *fixed)
    # Not /v1/models: it waits for the lock that a running request holds.
    return Command("llama-cpp-python", argv, {"PYTHONUNBUFFERED": "1", **spec.env}, "/openapi.json")


def _server(spec: LaunchSpec, machine: Machine) -> tuple[str, ...]:
    given = given_program(spec, machine)
    if given:
        return given
    missing = sorted(_NEEDED - machine.modules)
    if missing and not spec.python:
        raise LaunchError(
            spec.name,
            f"{', '.join(missing)} cannot be imported: pip install "
            "'sluicegate[llama-cpp-python]', or set `python` to an interpreter that has it",
        )
    return (interpreter(spec, machine), "-m", "llama_cpp.server")
