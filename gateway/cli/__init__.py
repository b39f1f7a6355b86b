"""The `sluicegate` command."""

from __future__ import annotations

import click

from gateway import __version__
from gateway.cli.advise import advise
from gateway.cli.bench import bench
from gateway.cli.check import check
from gateway.cli.keys import keys
from gateway.cli.models import models
from gateway.cli.serve import serve
from gateway.cli.top import top
from gateway.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """One OpenAI-compatible gateway in front of Ollama, llama.cpp and vLLM.

    Configuration: config/gateway.yaml, profiles beside it (SLUICEGATE_PROFILE), and environment
    variables (SLUICEGATE_SERVER__PORT=9000). With none at all, `serve` finds what runs on this
    machine, or starts a small model of its own.
    """


main.add_command(serve)
main.add_command(check)
main.add_command(models)
main.add_command(keys)
main.add_command(top)
main.add_command(bench)
main.add_command(advise)
main.add_command(worker)
