"""`sluicegate worker`: what the supervisor of several workers starts. Not for people."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable

import click

from gateway.app import Gateway
from gateway.cli.configuration import EXIT_CONFIGURATION, load_or_exit
from gateway.cli.serve import greeting, loop_factory, read_again, url_of
from gateway.errors import CannotStart
from gateway.server.admin import admin_socket
from gateway.server.worker import Worker
from gateway.settings import Settings
from gateway.store import Store
from gateway.telemetry.logs import chosen_format, set_up


@click.command(hidden=True)
@click.argument("number", type=int)
@click.argument("listener", type=int)
@click.argument("channel", type=int)
def worker(number: int, listener: int, channel: int) -> None:
    """Serve on an inherited socket, until the supervisor at the other end of CHANNEL goes."""
    loaded = load_or_exit()
    log_format = chosen_format(loaded.settings.log.format, sys.stderr)
    set_up(loaded.settings.log.level, log_format)
    port = socket.socket(fileno=listener)

    def build(
        settings: Settings, store: Store, gathered: Callable[[], Awaitable[bytes]]
    ) -> Gateway:
        return Gateway(
            settings,
            store,
            log_format=log_format,
            access_fd=sys.stderr.fileno(),
            gathered=gathered,
        )

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            it = Worker(
                loaded.settings,
                build=build,
                reload=read_again,
                describe=lambda gateway: greeting(loaded, gateway, url_of(port)),
                admin=admin_socket(loaded.settings.admin) if number == 1 else None,
            )
            runner.run(it.run(port, socket.socket(fileno=channel)))
        except CannotStart as error:
            click.echo(f"worker {number}: {error}", err=True)
            sys.exit(EXIT_CONFIGURATION)
