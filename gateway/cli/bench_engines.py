"""`sluicegate bench engines`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gateway.bench.benchmark import PromptWish
from gateway.bench.engines.cores import Cores, CoresMissing, share_out
from gateway.bench.engines.engine import COMPARED, Engine, Wish, find
from gateway.bench.engines.sweep import Comparison, Course, sweep
from gateway.bench.engines.weights import Weights
from gateway.bench.plan import Bounds, Load, Plan, Target
from gateway.cli.bench_connections import make_room_for
from gateway.cli.bench_engines_report import EXIT_INTERRUPTED, busy_remark, report
from gateway.cli.bench_files import refuse_unwritable
from gateway.cli.bench_progress import Progress
from gateway.cli.bench_run import Interrupted, command_line, run_interruptibly
from gateway.cli.bench_values import duration, slots, user_levels

_OUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_PYTHON = click.Path(exists=True, dir_okay=False)
_PATHS = ("raw", "gateway")


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
@click.option(
    "--engine-cores",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Keep each engine to so many cores, load and gateway to the others; more if that would "
    "part the threads of a core. Default: all share all, and an engine loses what load and "
    "gateway take.",
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
    "--output-spread",
    type=click.FloatRange(0, 0.9),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Answers are between 1 - SHARE and 1 + SHARE times as long: of one length, they would "
    "keep users in step.",
)
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
    out = {name: options[name] for name in ("json_file", "csv_file", "html_file", "svg_file")}
    refuse_unwritable(out)
    make_room_for(_plan(options).loads, len(_PATHS))
    cores = _cores(options["engine_cores"])
    with tempfile.TemporaryDirectory(prefix="sluicegate-engines-") as folder:
        weights = Weights(Path(folder), options["gguf"], options["hugging_face"])
        here, missing = find(_wish(options, cores), weights)
        progress = Progress(_whole_plan(options, here), quiet=options["quiet"])
        for each in missing:
            progress.say(f"{each.name} is left out: {each.remedy}")
        busy = busy_remark(os.getloadavg()[0], os.cpu_count() or 1)
        found = Comparison(None, ())
        if here:
            found = _compare(here, _course(options, weights, cores), progress)
    sys.exit(report(found, missing, out, busy=busy, queue_s=options["queue_s"]))


def _compare(here: Sequence[Engine], course: Course, progress: Progress) -> Comparison:
    def work(stop: asyncio.Event) -> Coroutine[Any, Any, Comparison]:
        return sweep(here, course, watcher=progress, stop=stop, say=progress.say)

    try:
        return run_interruptibly(work, progress)
    except Interrupted as interrupted:
        click.echo(str(interrupted), err=True)
        sys.exit(EXIT_INTERRUPTED)


def _wish(options: dict[str, Any], cores: Cores | None) -> Wish:
    return Wish(
        slots=options["slots"],
        vllm_slots=options["vllm_slots"],
        llama_cpp_python=options["llama_cpp_python"],
        vllm=options["vllm"],
        context=2 * (options["input_tokens"] + options["output_tokens"]) + 256,
        cores=len(cores.engine) if cores else None,
        only=frozenset(options["only"]) or frozenset(COMPARED),
    )


def _cores(engine: int | None) -> Cores | None:
    if engine is None:
        return None
    try:
        return share_out(engine)
    except CoresMissing as error:
        raise click.UsageError(f"--engine-cores: {error}") from error


def _course(options: dict[str, Any], weights: Weights, cores: Cores | None) -> Course:
    return Course(
        plan=_plan(options),
        prompts=PromptWish(
            input_tokens=options["input_tokens"],
            output_tokens=options["output_tokens"],
            output_spread=options["output_spread"],
        ),
        weights=weights,
        queue_s=options["queue_s"],
        command=tuple(command_line(sys.argv[1:])),
        cores=cores,
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
        for path in _PATHS
    ]
    return replace(_plan(options), targets=tuple(unknown))
