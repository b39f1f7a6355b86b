"""`sluicegate bench compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.bench.compare import Change, compare, differences
from gateway.bench.result import Result
from gateway.bench.result_file import ResultUnreadable, read_result
from gateway.cli.table import print_table

EXIT_NOTHING_IN_COMMON = 1
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("compare")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
def compare_command(before: Path, after: Path) -> None:
    """Say what changed between two results that --json wrote.

    A difference counts only if it is larger than that between the repeats of either. Exits with 1
    when the two have no step in common, with 2 for a file that is no result.
    """
    one, other = _read(before), _read(after)
    changed = differences(one.conditions, other.conditions)
    if changed:
        click.echo(f"note: measured under different conditions: {', '.join(changed)}")
    changes = compare(one, other)
    if not changes:
        click.echo(
            f"{before} and {after} have no step in common: the same target under the same load",
            err=True,
        )
        sys.exit(EXIT_NOTHING_IN_COMMON)
    print_table(
        ("LOAD", "TARGET", "FIGURE", "BEFORE", "AFTER", "CHANGE", ""), list(map(_row, changes))
    )


def _row(change: Change) -> tuple[str, ...]:
    relative = "" if change.relative is None else f"{change.relative:+.1%}"
    return (
        change.load,
        change.target,
        change.figure,
        change.before,
        change.after,
        relative,
        change.meaning,
    )


def _read(path: Path) -> Result:
    try:
        return read_result(path)
    except ResultUnreadable as error:
        raise click.UsageError(str(error)) from error
