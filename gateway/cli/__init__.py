"""The `sluicegate` command."""

from __future__ import annotations

from importlib import import_module

import click

from gateway import __version__

_COMMANDS = ("serve", "check", "models", "keys", "top", "bench", "advise", "worker")
"""Each is the object of its own name in the module of its own name."""


class _Lazily(click.Group):
    """Imports the one command that is asked for: all of them take several times as long."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"{__name__}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=_Lazily, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """One OpenAI-compatible gateway in front of Ollama, llama.cpp and vLLM.

    Configuration: config/gateway.yaml, profiles beside it (SLUICEGATE_PROFILE), and environment
    variables (SLUICEGATE_SERVER__PORT=9000). With none at all, `serve` finds what runs on this
    machine, or starts a small model of its own.
    """
