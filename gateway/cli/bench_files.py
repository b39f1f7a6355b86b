"""The files that a benchmark writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import click

from gateway.bench.csv_file import encode_csv
from gateway.bench.html_file import encode_html
from gateway.bench.result import Result
from gateway.bench.result_file import encode_result, write_whole

WRITERS: Mapping[str, Callable[[Result], bytes]] = MappingProxyType(
    {"json_file": encode_result, "csv_file": encode_csv, "html_file": encode_html}
)
"""By the name of the option that names the file."""


def refuse_unwritable(out: Mapping[str, Path | None]) -> None:
    """Before a run of many minutes, not after it. Raises `click.UsageError`."""
    for path in out.values():
        if path is None:
            continue
        folder = path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise click.UsageError(f"{path} cannot be written: make the folder {folder} first")


def write_files(result: Result, out: Mapping[str, Path | None]) -> None:
    """Write those that were asked for. Raises `click.ClickException` for one that fails."""
    for name, path in out.items():
        if path is None:
            continue
        try:
            write_whole(path, WRITERS[name](result))
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
        click.echo(f"written: {path}", err=True)
