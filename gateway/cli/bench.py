"""`sluicegate bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gateway.bench.benchmark import PromptWish
from gateway.bench.plan import Bounds, Load, Plan
from gateway.bench.preflight import TargetUnusable
from gateway.bench.prompt_file import PromptsUnreadable
from gateway.bench.result import Result
from gateway.bench.summary import notes, table
from gateway.cli.bench_ceiling import ceiling
from gateway.cli.bench_compare import compare_command
from gateway.cli.bench_connections import make_room_for
from gateway.cli.bench_engines import engines
from gateway.cli.bench_files import refuse_unwritable, write_files
from gateway.cli.bench_options import ALL, with_options
from gateway.cli.bench_run import Interrupted, measured
from gateway.cli.bench_targets import TargetWish, chosen_targets
from gateway.cli.table import print_table

EXIT_NOTHING = 1
EXIT_INTERRUPTED = 130
USERS = (1, 5, 10, 15, 20, 50)
DURATION_S = 15.0


@click.group(invoke_without_command=True)
@with_options(*ALL)
@click.pass_context
def bench(context: click.Context, /, **options: Any) -> None:
    """Measure how a model serves 1, 5, … 50 people at once, raw and through the gateway.

    \b
    sluicegate bench --model llama3                                 one of the configuration
    sluicegate bench --url http://127.0.0.1:11434 --model llama3    any url
    sluicegate bench --url raw=http://… --url gateway=http://… --model … --html report.html

    Requests go to these urls only. Exits with 1 when nothing could be measured, with 130 when it
    was interrupted (what was measured by then is written), with 2 for options that make no sense.
    """
    if context.invoked_subcommand is not None:
        return
    out = {name: options[name] for name in ("json_file", "csv_file", "html_file")}
    refuse_unwritable(out)
    wish = _prompt_wish(options)
    plan = _plan(options)
    try:
        result = measured(plan, wish, quiet=options["quiet"])
    except (TargetUnusable, PromptsUnreadable) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_NOTHING)
    except Interrupted as interrupted:
        click.echo(str(interrupted), err=True)
        sys.exit(EXIT_INTERRUPTED)
    report(result, out)


def report(result: Result, out: dict[str, Path | None]) -> None:
    """Print a result, write its files, and end the process if it is not what was wanted."""
    useful = any(step.figures.completed for step in result.steps)
    if result.steps:
        print_table(*table(result.steps))
    for note in notes(result):
        click.echo(note)
    if useful:
        write_files(result, out)
    else:
        click.echo("no request completed: there is nothing to report, nothing is written", err=True)
    if result.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if not any(not step.void for step in result.steps):
        sys.exit(EXIT_NOTHING)


def _plan(options: dict[str, Any]) -> Plan:
    users, rates, requests = options["users"], options["rates"], options["requests"]
    if users is None and rates is None:
        users = USERS
    _refuse_few_requests(requests, max(users or (0,)))
    loads = [Load(users=level) for level in users or ()] + [Load(rate=r) for r in rates or ()]
    duration_s = options["duration_s"]
    if duration_s is None and requests is None:
        duration_s = DURATION_S
    names = ("urls", "models", "apis", "kinds", "key_variables", "via")
    targets = chosen_targets(TargetWish(**{name: options[name] for name in names}))
    make_room_for(loads, len(targets))
    return Plan(
        targets=targets,
        loads=tuple(loads),
        bounds=Bounds(duration_s=duration_s, requests=requests, timeout_s=options["timeout_s"]),
        repeats=options["repeats"],
        warmup=options["warmup"],
        seed=options["seed"],
        retry=options["retry"],
        slo=options["slo"],
        records=options["records"],
    )


def _prompt_wish(options: dict[str, Any]) -> PromptWish:
    if options["text"] is not None and options["file"] is not None:
        raise click.UsageError("--prompt and --prompts exclude each other")
    given = "--prompt" if options["text"] is not None else "--prompts"
    if options["output_spread"] and (options["text"] is not None or options["file"] is not None):
        raise click.UsageError(
            f"--output-spread is for prompts that are made, not for those of {given}; a file may "
            'give each prompt its own "max_tokens"'
        )
    names = ("text", "file", "input_tokens", "output_tokens", "output_spread", "exact")
    return PromptWish(**{name: options[name] for name in names})


def _refuse_few_requests(requests: int | None, users: int) -> None:
    if requests is not None and requests < users:
        raise click.UsageError(
            f"--requests {requests} are too few for {users} users at once: give at least {users}, "
            "or fewer --users"
        )


bench.add_command(compare_command)
bench.add_command(ceiling)
bench.add_command(engines)
