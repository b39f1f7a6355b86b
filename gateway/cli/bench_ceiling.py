"""`sluicegate bench ceiling`."""

from __future__ import annotations

import asyncio

import click
import uvloop

from gateway.bench.ceiling import StubFailed, measure_ceiling
from gateway.cli.bench_values import duration


@click.command()
@click.option(
    "--duration",
    "duration_s",
    callback=duration,
    metavar="TIME",
    default="3s",
    show_default=True,
    help="How long each of the two measurements takes.",
)
def ceiling(duration_s: float) -> None:
    """Measure what the generator itself can do on one core of this machine.

    A run that comes near says so by itself. Nothing is sent anywhere but to a stub on 127.0.0.1.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            found = runner.run(measure_ceiling(duration_s))
        except StubFailed as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{found.requests_per_s:,.0f} requests/s on one core")
    click.echo(f"{found.chunks_per_s:,.0f} streamed chunks/s on one core")
