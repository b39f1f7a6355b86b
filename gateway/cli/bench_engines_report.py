"""What `sluicegate bench engines` prints and writes when it has measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from gateway.bench.engines.engine import Missing
from gateway.bench.engines.promise import Promise, promises
from gateway.bench.engines.sweep import Comparison
from gateway.bench.result import Result
from gateway.bench.result_file import write_whole
from gateway.bench.summary import notes, table
from gateway.bench.svg_file import encode_svg
from gateway.cli.bench_files import write_files
from gateway.cli.table import print_table

EXIT_NOTHING = 1
EXIT_INTERRUPTED = 130
_QUIET = 0.3
"""Load average, as a share of the cores, up to which others do not disturb much."""
_MANY = 8
"""Repeats that are enough to judge a promise, as a rule, on a machine that does nothing else."""
_VERDICTS = {True: "kept", False: "BROKEN", None: "cannot be told"}


def report(
    found: Comparison,
    missing: Sequence[Missing],
    out: Mapping[str, Path | None],
    *,
    busy: str,
    queue_s: float,
) -> int:
    """Print and write everything; return the exit code. `missing`: engines that were left out."""
    missing = (*missing, *found.failed)
    result = found.result
    if result is None or not any(step.figures.completed for step in result.steps):
        for each in missing:
            click.echo(f"{each.name}: {each.remedy}", err=True)
        if found.interrupted:
            click.echo("interrupted before the first answer; nothing is written", err=True)
            return EXIT_INTERRUPTED
        click.echo("no engine could be measured: there is nothing to report", err=True)
        return EXIT_NOTHING
    write_files(result, {name: path for name, path in out.items() if name != "svg_file"})
    _write_svg(result, out["svg_file"])
    print_table(*table(result.steps))
    for note in (*notes(result), *filter(None, (busy,))):
        click.echo(note)
    held = promises(result, queue_s=queue_s)
    _print_promises(held, result.conditions.repeats)
    for each in missing:
        click.echo(f"not measured: {each.name}: {each.remedy}")
    if found.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_NOTHING if any(each.kept is False for each in held) else 0


def busy_remark(load: float, cores: int) -> str:
    """What a reader must know about a machine before it is put to work; empty if nothing.

    `load` is its load average.
    """
    if load <= _QUIET * cores:
        return ""
    return (
        f"note: the machine was busy before this began (load {load:.1f} on {cores} cores): what "
        "others did is in these figures, measure again when it is quiet"
    )


def _print_promises(held: Sequence[Promise], repeats: int) -> None:
    if not held:
        return
    click.echo("")
    print_table(
        ("ENGINE", "USERS", "THROUGH THE GATEWAY", "MEASURED", ""),
        [(p.engine, str(p.users), p.what, p.measured, _VERDICTS[p.kept]) for p in held],
    )
    if any(each.wants_repeats for each in held):
        more = max(_MANY, 2 * repeats)
        click.echo(
            "remedy: where repeats are too few or too far apart, take more of them "
            f"(--repeats {more})"
        )


def _write_svg(result: Result, path: Path | None) -> None:
    if path is None:
        return
    picture = encode_svg(result)
    if picture is None:
        click.echo(f"not written: {path}: every step is void, there is nothing to plot", err=True)
        return
    try:
        write_whole(path, picture)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"written: {path}", err=True)
