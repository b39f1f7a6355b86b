"""`sluicegate bench engines`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gateway.bench.benchmark import PromptWish
from gateway.bench.engines.engine import COMPARED, Engine, Missing, Wish, find
from gateway.bench.engines.promise import Promise, promises
from gateway.bench.engines.sweep import Comparison, Course, sweep
from gateway.bench.engines.weights import Weights
from gateway.bench.plan import Bounds, Load, Plan, Target
from gateway.bench.result import Result
from gateway.bench.result_file import write_whole
from gateway.bench.summary import notes, table
from gateway.bench.svg_file import encode_svg
from gateway.cli.bench_files import refuse_unwritable, write_files
from gateway.cli.bench_progress import Progress
from gateway.cli.bench_run import Interrupted, command_line, run_interruptibly
from gateway.cli.bench_values import duration, slots, user_levels
from gateway.cli.table import print_table

EXIT_NOTHING = 1
EXIT_INTERRUPTED = 130
_OUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_PYTHON = click.Path(exists=True, dir_okay=False)
_VERDICTS = {True: "kept", False: "BROKEN", None: "cannot be told"}


@click.command("engines")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(COMPARED),
    help="Backends to measure, default all that are installed. May be given several times.",
)
@click.option(
    "--slots",
    callback=slots,
    default="1,4",
    show_default=True,
    metavar="N,N",
    help="llama.cpp is started once with each of these.",
)
@click.option("--vllm-slots", type=click.IntRange(1, 4096), default=64, show_default=True)
@click.option("--llama-cpp-python", metavar="PYTHON", type=_PYTHON, help="Interpreter that has it.")
@click.option("--vllm", metavar="PYTHON", type=_PYTHON, help="Interpreter that has it.")
@click.option("--gguf", type=_READABLE, help="A model of yours instead of the built-in one.")
@click.option("--hugging-face", metavar="FOLDER|ID", help="The same weights, for vLLM.")
@click.option(
    "--users",
    callback=user_levels,
    default="1,5,10,15,20,50",
    show_default=True,
    metavar="N,N,…",
    help="Users at once, each sending the next request when it has its answer.",
)
@click.option(
    "--duration",
    "duration_s",
    callback=duration,
    default="10s",
    show_default=True,
    metavar="TIME",
    help="How long each measurement sends requests.",
)
@click.option("--repeats", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--input-tokens", type=click.IntRange(8, 100_000), default=64, show_default=True)
@click.option("--output-tokens", type=click.IntRange(1, 100_000), default=32, show_default=True)
@click.option(
    "--queue",
    "queue_s",
    callback=duration,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long the gateway lets a request wait for a slot.",
)
@click.option("--json", "json_file", type=_OUT, help="Write everything that was found.")
@click.option("--csv", "csv_file", type=_OUT, help="Write one line for each step.")
@click.option("--html", "html_file", type=_OUT, help="Write a page with plots.")
@click.option("--svg", "svg_file", type=_OUT, help="Write the main plots as one picture.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def engines(**options: Any) -> None:
    """Compare the engines on this machine: same model, same load, raw and through the gateway.

    Starts llama.cpp, llama-cpp-python, vLLM and Ollama in turn, as far as they are installed, and a
    gateway in front of each; stops them again. Exits with 1 when none could be measured or a
    promise of the gateway was broken, with 130 when it was interrupted.
    """
    out = {name: options[name] for name in ("json_file", "csv_file", "html_file")}
    refuse_unwritable({**out, "svg_file": options["svg_file"]})
    with tempfile.TemporaryDirectory(prefix="sluicegate-engines-") as folder:
        weights = Weights(Path(folder), options["gguf"], options["hugging_face"])
        here, missing = find(_wish(options), weights)
        progress = Progress(_whole_plan(options, here), quiet=options["quiet"])
        for each in missing:
            progress.say(f"{each.name} is left out: {each.remedy}")
        comparison = _compare(here, _course(options, weights), progress) if here else None
    _report([*missing, *(comparison.failed if comparison else ())], comparison, out, options)


def _compare(here: Sequence[Engine], course: Course, progress: Progress) -> Comparison:
    def work(stop: asyncio.Event) -> Coroutine[Any, Any, Comparison]:
        return sweep(here, course, watcher=progress, stop=stop, say=progress.say)

    try:
        return run_interruptibly(work, progress)
    except Interrupted:
        click.echo("interrupted before anything was measured; nothing is written", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _report(
    missing: Sequence[Missing],
    comparison: Comparison | None,
    out: dict[str, Path | None],
    options: dict[str, Any],
) -> None:
    result = comparison.result if comparison else None
    if result is None or not any(step.figures.completed for step in result.steps):
        for each in missing:
            click.echo(f"{each.name}: {each.remedy}", err=True)
        click.echo("no engine could be measured: there is nothing to report", err=True)
        sys.exit(EXIT_NOTHING)
    print_table(*table(result.steps))
    for note in notes(result):
        click.echo(note)
    held = promises(result, queue_s=options["queue_s"])
    _print_promises(held)
    for each in missing:
        click.echo(f"not measured: {each.name}: {each.remedy}")
    write_files(result, out)
    _write_svg(result, options["svg_file"])
    if result.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if any(each.kept is False for each in held):
        sys.exit(EXIT_NOTHING)


def _print_promises(held: Sequence[Promise]) -> None:
    if not held:
        return
    click.echo("")
    print_table(
        ("ENGINE", "USERS", "THROUGH THE GATEWAY", "MEASURED", ""),
        [(p.engine, str(p.users), p.what, p.measured, _VERDICTS[p.kept]) for p in held],
    )


def _write_svg(result: Result, path: Path | None) -> None:
    picture = encode_svg(result) if path is not None else None
    if path is None or picture is None:
        return
    try:
        write_whole(path, picture)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"written: {path}", err=True)


def _wish(options: dict[str, Any]) -> Wish:
    return Wish(
        slots=options["slots"],
        vllm_slots=options["vllm_slots"],
        llama_cpp_python=options["llama_cpp_python"],
        vllm=options["vllm"],
        context=2 * (options["input_tokens"] + options["output_tokens"]) + 256,
        only=frozenset(options["only"]) or frozenset(COMPARED),
    )


def _course(options: dict[str, Any], weights: Weights) -> Course:
    return Course(
        plan=_plan(options),
        prompts=PromptWish(
            input_tokens=options["input_tokens"], output_tokens=options["output_tokens"]
        ),
        weights=weights,
        queue_s=options["queue_s"],
        command=tuple(command_line(sys.argv[1:])),
    )


def _plan(options: dict[str, Any]) -> Plan:
    return Plan(
        targets=(),
        loads=tuple(Load(users=users) for users in options["users"]),
        bounds=Bounds(duration_s=options["duration_s"], requests=None),
        repeats=options["repeats"],
        seed=options["seed"],
    )


def _whole_plan(options: dict[str, Any], here: Sequence[Engine]) -> Plan:
    """With as many targets as there will be, so that the bar knows how much there is to do."""
    unknown = [
        Target(name=f"{engine.name}, {path}", group=engine.name, url="", model="")
        for engine in here
        for path in ("raw", "gateway")
    ]
    return replace(_plan(options), targets=tuple(unknown))
