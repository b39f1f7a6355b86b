"""`sluicegate keys`: the keys of the store, whether or not the gateway runs."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import click

from gateway.cli.configuration import EXIT_CONFIGURATION, load_or_exit
from gateway.cli.key_options import described_key, key_options
from gateway.cli.key_output import key_as_json, print_keys
from gateway.cli.moment import duration_option, shown_moment
from gateway.errors import CannotStart
from gateway.keys.configured import configured_keys
from gateway.keys.keyring import Issued, KeyRefused, Keyring
from gateway.keys.record import KeyRecord
from gateway.settings import Loaded, Settings
from gateway.store import StoreDown
from gateway.store.opening import opened

EXIT_REFUSED = 1
T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """Make, list, end and renew API keys.

    They lie in the store, by hash. Every gateway on it knows a new one at once and forgets a
    revoked one within a second. Which store that is, SLUICEGATE_CONFIG and SLUICEGATE_PROFILE
    say: give them as the gateway has them, and run this as the gateway's user where the store is
    the embedded one. Exits with 1 when a key cannot be made or changed as asked, and with 2 on a
    fault in the command or the configuration.
    """


@keys.command()
@click.argument("name")
@key_options
@as_json_option
def create(name: str, as_json: bool, **options: Any) -> None:
    """Make a key and print it, this one time.

    Only the key goes to standard output: KEY=$(sluicegate keys create alice)
    """
    record = described_key(name, options)
    loaded = load_or_exit()
    settings = loaded.settings
    if any(name == key.name for key in settings.auth.keys):
        _refuse(f"A key named '{name}' is in the configuration (auth.keys). Choose another name.")
    _print_issued(_with(settings, lambda keyring: keyring.create(record)), as_json)
    _warn_of_models(settings, record)
    if settings.auth.mode == "none":
        _note(_nobody_is_asked(loaded))


@keys.command("list")
@click.option("--all", "ended", is_flag=True, help="Also keys that ended in the last 30 days.")
@as_json_option
def list_keys(ended: bool, as_json: bool) -> None:
    """List keys, those of the configuration first."""
    settings = load_or_exit().settings
    now = time.time()
    known = [*configured_keys(settings.auth), *_with(settings, lambda keyring: keyring.list())]
    shown = [record for record in known if ended or record.state(now) == "active"]
    if as_json:
        click.echo(json.dumps([key_as_json(record, now) for record in shown], indent=2))
    elif shown:
        print_keys(shown, now)
    else:
        click.echo("There are no keys. 'sluicegate keys create NAME' makes one.")


@keys.command()
@click.argument("key", metavar="NAME|ID")
@as_json_option
def revoke(key: str, as_json: bool) -> None:
    """End a key, within a second."""
    record = _with(load_or_exit().settings, lambda keyring: keyring.revoke(key))
    if as_json:
        click.echo(json.dumps(key_as_json(record, time.time()), indent=2))
    else:
        click.echo(f"Key '{record.name}' ({record.id}) is revoked.")


@keys.command()
@click.argument("key", metavar="NAME|ID")
@click.option(
    "--grace",
    callback=duration_option,
    default="24h",
    show_default=True,
    help="How long the text that it has goes on working: 30m, 24h, 7d, 0.",
)
@as_json_option
def rotate(key: str, grace: int, as_json: bool) -> None:
    """Give a key a new text and print it, this one time. All else about it stays."""
    settings = load_or_exit().settings
    issued = _with(settings, lambda keyring: keyring.rotate(key, grace_s=grace))
    _print_issued(issued, as_json)
    former = issued.record.secrets[1:]
    if former:
        _note(f"The former text works until {shown_moment(former[0].expires)}.")
    else:
        _note("No former text works any more.")


def _with(settings: Settings, work: Callable[[Keyring], Awaitable[T]]) -> T:
    """What `work` yields on the keys of the store; ends the process where it cannot be had."""

    async def run() -> T:
        async with opened(settings.store) as store:
            return await work(Keyring(store, settings.store.domain))

    try:
        return asyncio.run(run())
    except KeyRefused as error:
        _refuse(str(error))
    except StoreDown as error:
        _refuse(
            f"The store did not answer ({error}), so it is not known whether that took effect. "
            "See 'sluicegate keys list'."
        )
    except CannotStart as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)


def _print_issued(issued: Issued, as_json: bool) -> None:
    if as_json:
        shown = {"key": issued.text, **key_as_json(issued.record, time.time())}
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(issued.text)
    _note("This is the only time the key is shown: it is kept as a hash. Put it in a safe place.")


def _warn_of_models(settings: Settings, record: KeyRecord) -> None:
    if not settings.models:
        return  # which there are is found out by the gateway
    known = set(settings.models)
    known.update(alias for model in settings.models.values() for alias in model.aliases)
    unknown = sorted(set(record.models or ()) - known)
    if unknown:
        _note(f"The configuration has no model {', '.join(repr(each) for each in unknown)}.")


def _nobody_is_asked(loaded: Loaded) -> str:
    """Most often this is not the configuration that the gateway runs with."""
    base = loaded.files[0] if loaded.files else "no configuration file"
    return (
        f"With profile {loaded.profile} and {base}, auth.mode is none: nobody is asked for a key. "
        "Set it to keys. A gateway with another profile or file may have another store, and does "
        "not know this key: set SLUICEGATE_PROFILE and SLUICEGATE_CONFIG as it has them."
    )


def _note(text: str) -> None:
    click.echo(text, err=True)


def _refuse(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(EXIT_REFUSED)
