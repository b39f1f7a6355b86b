"""`sluicegate models`."""

from __future__ import annotations

import asyncio

import click

from gateway.cli.configuration import load_or_exit
from gateway.cli.live import look
from gateway.cli.table import print_table


@click.command()
def models() -> None:
    """List models, what they mean on each backend, and the state of their runners."""
    loaded = load_or_exit()
    _, table = asyncio.run(look(loaded.settings))
    rows = []
    for route in table.routes:
        for position, target in enumerate(route.targets):
            for runner in target.runners:
                context = runner.context_length(target.model.name)
                rows.append(
                    (
                        route.model if not position else "",
                        ", ".join(route.aliases) if not position else "(fallback)",
                        target.backend,
                        target.model.name,
                        runner.name,
                        runner.state.value,
                        "unlimited" if runner.unlimited else str(runner.working_slots),
                        str(context) if context else "-",
                    )
                )
    if not rows:
        click.echo("No model is configured, and no runner was found on this machine.")
        click.echo("'sluicegate serve' would start the built-in demonstration model.")
        return
    print_table(
        ("MODEL", "ALIASES", "BACKEND", "TARGET", "RUNNER", "STATE", "SLOTS", "CONTEXT"), rows
    )
