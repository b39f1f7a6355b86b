"""Load the configuration for a command, or end it with every fault that was found."""

from __future__ import annotations

import sys

import click

from gateway.settings import Loaded, SettingsError, load_from_process

EXIT_CONFIGURATION = 2


def load_or_exit() -> Loaded:
    """The configuration; a wrong one ends the process with status 2, never half-configured."""
    try:
        return load_from_process()
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
