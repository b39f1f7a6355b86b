"""`sluicegate check`."""

from __future__ import annotations

import asyncio
import sys

import click

from backends.base import RunnerState
from gateway.cli.configuration import load_or_exit
from gateway.cli.live import look, missing_models
from gateway.cli.table import print_table
from gateway.settings import render_effective


@click.command()
@click.option("--live", is_flag=True, help="Probe every runner too, and say what was found.")
def check(live: bool) -> None:
    """Validate the configuration and show it, with where each value came from.

    Exits with 2 on a fault in the configuration, and with 1 when --live finds a runner that cannot
    be used.
    """
    loaded = load_or_exit()
    click.echo(render_effective(loaded))
    if not live:
        click.echo("\nThe configuration is valid. 'sluicegate check --live' looks at the runners.")
        return
    runners, table = asyncio.run(look(loaded.settings))
    click.echo("")
    if not runners:
        click.echo("No runner is configured and none was found on this machine.")
        click.echo("'sluicegate serve' would start the built-in demonstration model.")
        return
    print_table(
        ("RUNNER", "BACKEND", "STATE", "SLOTS", "VERSION", "URL", "DETAIL"),
        [
            (
                runner.name,
                runner.kind,
                runner.state.value,
                "unlimited"
                if runner.unlimited
                else f"{runner.working_slots} ({runner.slots_origin})",
                (runner.probe.version if runner.probe else None) or "-",
                runner.url or "(launched)",
                runner.detail,
            )
            for runner in runners.values()
        ],
    )
    faults = missing_models(table, ((name, r.probe) for name, r in runners.items()))
    for fault in faults:
        click.echo(click.style("fault: ", fg="red") + fault)
    down = [name for name, runner in runners.items() if runner.state is RunnerState.DOWN]
    if down or faults:
        sys.exit(1)
    click.echo(f"\n{len(runners)} runners, {len(table.routes)} models: all can be used.")
