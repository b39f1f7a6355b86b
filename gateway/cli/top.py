"""`sluicegate top`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import click

from gateway.cli.configuration import EXIT_CONFIGURATION, load_or_exit
from gateway.cli.top_client import AdminClient, NoState
from gateway.cli.top_frame import frame
from gateway.cli.top_live import live
from gateway.settings import AdminSettings

EXIT_NO_STATE = 1
TOKEN = "SLUICEGATE_ADMIN__TOKEN"
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_MOST_TOKEN_BYTES = 16_384


@click.command()
@click.option("--url", help="Address of the admin listener [default: of the configuration].")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"File with the admin token [default: {TOKEN}, or of the configuration].",
)
@click.option("--once", is_flag=True, help="Print one look and end; so it does in a pipe.")
@click.option("--json", "as_json", is_flag=True, help="Print one look as JSON and end.")
def top(url: str | None, token_file: Path | None, once: bool, as_json: bool) -> None:
    """Watch runners, slots and queue of a running gateway; q ends it.

    Needs admin.enabled and a token in the gateway's configuration. Exits with 1 when the gateway
    cannot be looked at, and with 2 on a fault in the command or the configuration.
    """
    token = _token_in(token_file) if token_file else os.environ.get(TOKEN) or None
    if url is None or token is None:
        settings = load_or_exit().settings.admin
        url = url or _address(settings)
        token = token or _token_of(settings)
    try:
        asyncio.run(_top(url, token, once=once or not sys.stdout.isatty(), as_json=as_json))
    except NoState as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_NO_STATE)


async def _top(url: str, token: str, *, once: bool, as_json: bool) -> None:
    async with AdminClient(url, token) as client:
        if not (as_json or once):
            await live(client)
            return
        state, text = await client.look()
        if as_json:
            click.echo(text)
        else:
            click.echo("\n".join(frame(state, shutil.get_terminal_size().columns, None)))


def _address(settings: AdminSettings) -> str:
    if not settings.enabled:
        _refuse(
            "admin.enabled is false: the gateway has no admin listener. Set it to true, give it a "
            f"token (admin.token_file or {TOKEN}) and start the gateway again; or name another "
            "gateway's with --url."
        )
    if not settings.port:
        _refuse("admin.port is 0, so only the gateway's log says where it listens: give --url.")
    host = _ANY.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _token_of(settings: AdminSettings) -> str:
    if settings.token is None:
        _refuse(f"There is no admin token: set {TOKEN}, or name a file with --token-file.")
    return settings.token.get_secret_value()


def _token_in(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST_TOKEN_BYTES).decode("ascii", errors="replace").strip()
    except OSError as error:
        _refuse(f"The token file {file} cannot be read: {error.strerror}.")
    if not text or not text.isascii() or len(text.split()) != 1:
        _refuse(f"The token file {file} does not hold one token and nothing else.")
    return text


def _refuse(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(EXIT_CONFIGURATION)
