"""llama.cpp: a `llama-server` on the PATH, or the server in the wheel `xllamacpp`."""

from __future__ import annotations

from pathlib import Path

from backends.launch.commands.base import Command, address, given_program, interpreter, options
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.model import Model, find_model
from backends.launch.spec import BUILTIN, LaunchSpec

# Run by path and not with `-m`, so that it starts in an interpreter that has xllamacpp but not
# this package, and whatever the working directory is.
_XLLAMACPP_SERVER = Path(__file__).parent.with_name("xllamacpp_server.py")


def command(spec: LaunchSpec, machine: Machine, port: int) -> Command:
    """Take the given command, else llama-server, else xllamacpp.

    xllamacpp comes first for the built-in model, and where an interpreter is given.
    """
    model = find_model(spec, machine)
    given = given_program(spec, machine)
    wheel = bool(spec.python) or "xllamacpp" in machine.modules
    found = machine.programs.get("llama-server")
    # A llama-server on the PATH was built for this machine; the wheel for Linux knows no GPU.
    wheel_first = bool(spec.python) or spec.model == BUILTIN or not found
    if not given and wheel and wheel_first and model.path:
        return _xllamacpp(spec, interpreter(spec, machine), port, model)
    server = given or ((found,) if found else ())
    if server:
        return _llama_server(spec, server, port, model)
    if wheel:
        raise LaunchError(
            spec.name,
            f"xllamacpp cannot download {spec.model!r}: fetch the .gguf file and give its path, "
            "or put llama-server on the PATH",
        )
    raise LaunchError(
        spec.name,
        "neither xllamacpp nor llama-server is here: pip install 'sluicegate[embedded]', or put "
        "llama-server on the PATH",
    )


def _llama_server(spec: LaunchSpec, server: tuple[str, ...], port: int, model: Model) -> Command:
    quant = f":{model.quant}" if model.quant else ""
    chosen = options(
        ("-m", model.path),
        ("-hf", model.repo and model.repo + quant),
        ("--alias", model.name),
        ("-np", spec.parallel),
        ("-c", _shared_context(spec)),
        ("-ngl", spec.gpu_layers),
        ("-t", spec.threads),
    )
    # GET /props needs no flag; `--props` would let callers change the server's settings.
    argv = (*server, *chosen, "--metrics", "--slots", *spec.args, *address(port))
    return Command("llama-server", argv, dict(spec.env), "/health")


def _xllamacpp(spec: LaunchSpec, python: str, port: int, model: Model) -> Command:
    chosen = options(
        ("--model", model.path),
        ("--alias", model.name),
        ("--parallel", spec.parallel),
        ("--context", _shared_context(spec)),
        ("--gpu-layers", spec.gpu_layers),
        ("--threads", spec.threads),
    )
    argv = (python, str(_XLLAMACPP_SERVER), *chosen, *spec.args, *address(port))
    # Safe path: the script's own folder would otherwise come first where modules are looked for.
    env = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    if spec.model == BUILTIN:
        # Its threads have so little to do that, spinning, they mostly keep each other from working:
        # on two busy cores single answers took up to 15 s, and 0.2 s this way.
        env["OMP_WAIT_POLICY"] = "passive"
    env.update(spec.env)
    return Command("llama.cpp (xllamacpp)", argv, env, "/health")


def _shared_context(spec: LaunchSpec) -> int | None:
    # llama.cpp splits the context it is given between its slots.
    return None if spec.context is None else spec.context * (spec.parallel or 1)
