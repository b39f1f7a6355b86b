"""`sluicegate serve`."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable

import click

from gateway.app import Gateway
from gateway.cli.banner import banner
from gateway.cli.configuration import EXIT_CONFIGURATION, load_or_exit
from gateway.errors import CannotStart
from gateway.server.admin import admin_listener, admin_socket
from gateway.server.listen import bind
from gateway.server.run import Replica
from gateway.settings import Loaded, ServerSettings, Settings, SettingsError, load_from_process
from gateway.store.opening import opened
from gateway.telemetry.access import Format
from gateway.telemetry.logs import chosen_format, set_up

logger = logging.getLogger(__name__)


@click.command()
def serve() -> None:
    """Start the gateway; stop it with Ctrl-C."""
    loaded = load_or_exit()
    settings = loaded.settings
    log_format = chosen_format(settings.log.format, sys.stderr)
    set_up(settings.log.level, log_format)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(_serve(loaded, log_format))
        except CannotStart as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_CONFIGURATION)


async def _serve(loaded: Loaded, log_format: Format) -> None:
    settings = loaded.settings
    server = settings.server
    # First, so that a port of our own choice never is the one that was asked for here. Of several
    # workers, the first one listens there.
    admin = admin_socket(settings.admin) if server.workers == 1 else None
    listener = bind(server.host, server.port, may_move=_unchosen_port(loaded))
    listener.listen(2048)
    if server.workers > 1:
        await _supervise(loaded, log_format, listener)
    else:
        await _serve_alone(loaded, log_format, listener, admin)


async def _serve_alone(
    loaded: Loaded, log_format: Format, listener: socket.socket, admin: socket.socket | None
) -> None:
    settings = loaded.settings
    async with opened(settings.store, patient=True) as store:
        gateway = Gateway(
            settings,
            store,
            log_format=log_format,
            access_fd=sys.stderr.fileno(),
            progress=_progress(log_format),
        )

        async def greet() -> None:
            url = url_of(listener)
            if log_format == "json":
                logger.info("serving at %s", url)
            else:
                click.echo(greeting(loaded, gateway, url), err=True)

        async with admin_listener(gateway, settings.admin, admin):
            await Replica(gateway, settings, read_again).run(listener, on_ready=greet)


async def _supervise(loaded: Loaded, log_format: Format, listener: socket.socket) -> None:
    from gateway.server.workers import Supervisor  # one process starts without it

    def greet(text: str) -> None:
        if log_format == "json":
            count = loaded.settings.server.workers
            logger.info("serving at %s with %d workers", url_of(listener), count)
        else:
            click.echo(text, err=True)

    supervisor = Supervisor(
        loaded.settings, read_again, progress=_progress(log_format), on_ready=greet
    )
    await supervisor.run(listener)


def url_of(listener: socket.socket) -> str:
    """What a person of this machine may open."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else shown}:{port}"


def greeting(loaded: Loaded, gateway: Gateway, url: str) -> str:
    """What a person sees once the gateway serves."""
    return banner(
        url=url,
        profile=loaded.profile,
        routes=gateway.table.routes,
        runners=gateway.runners,
        keys=loaded.settings.auth.mode == "keys",
    )


def _unchosen_port(loaded: Loaded) -> bool:
    """A newcomer's first command should not fail because something else has the default port."""
    default = ServerSettings.model_fields["port"].default
    by_hand = loaded.origin(("server", "port")).startswith("environment")
    return loaded.profile == "dev" and loaded.settings.server.port == default and not by_hand


def _progress(log_format: Format) -> Callable[[str], None]:
    return logger.info if log_format == "json" else _say


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def read_again() -> Settings | None:
    """The configuration as it is now, None when it is wrong, which is then in the log."""
    try:
        return load_from_process().settings
    except SettingsError as error:
        logger.error("the configuration cannot be reloaded:\n%s", error)
        return None


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The fastest event loop there is."""
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
