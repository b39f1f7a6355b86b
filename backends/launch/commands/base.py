"""What every kind of runner's command is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.spec import LaunchSpec

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Command:
    """One command line, ready to be run."""

    program: str
    """What people call the program."""
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """To be laid over the inherited environment."""
    ready_path: str
    """Answers 200 to a GET once the runner can work, without disturbing it."""


def given_program(spec: LaunchSpec, machine: Machine) -> tuple[str, ...]:
    """The operator's own `command` with its program found, or nothing if none is given."""
    words = spec.command_words()
    if words and words[0] not in machine.programs:
        raise LaunchError(spec.name, f"there is no program {words[0]!r}: correct `command`")
    return (machine.programs[words[0]], *words[1:]) if words else ()


def interpreter(spec: LaunchSpec, machine: Machine) -> str:
    """The interpreter that has the runner's package: the operator's, or ours."""
    if not spec.python:
        return machine.python
    if spec.python not in machine.programs:
        raise LaunchError(spec.name, f"there is no interpreter {spec.python!r}: correct `python`")
    return machine.programs[spec.python]


def options(*pairs: tuple[str, str | int | None]) -> tuple[str, ...]:
    """Flags and values, without those whose value is None."""
    return tuple(word for flag, value in pairs if value is not None for word in (flag, str(value)))


def address(port: int) -> tuple[str, ...]:
    """Where to listen. Put it last: these programs let the last flag win, and we must find them."""
    return ("--host", HOST, "--port", str(port))


def refuse(spec: LaunchSpec, option: str, instead: str) -> None:
    """Raise `LaunchError` if an option is set that this runner has no use for."""
    value = getattr(spec, option)
    if value is not None:
        fault = f"`{option}: {value}` means nothing to {spec.backend}: {instead}"
        raise LaunchError(spec.name, fault)
