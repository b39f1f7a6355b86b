"""The options of `sluicegate bench`, apart from what it does with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from backends.catalog import KINDS
from gateway.bench.dialects import DIALECTS
from gateway.cli.bench_values import duration, rate_levels, slo, user_levels

Command = TypeVar("Command", bound=Callable[..., Any])

_OUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_COUNT = click.IntRange(1, 1_000_000)

TARGET_OPTIONS = (
    click.option(
        "--url",
        "urls",
        multiple=True,
        metavar="[NAME=]URL",
        help="Where to send requests; several take turns. Without it, --model is one of the "
        "configuration, measured directly and through the gateway.",
    ),
    click.option("--model", "models", multiple=True, help="Model to ask for: once, or per --url."),
    click.option(
        "--api",
        "apis",
        multiple=True,
        type=click.Choice(list(DIALECTS)),
        help="What the url speaks, default openai-chat: once, or per --url.",
    ),
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        type=click.Choice(list(KINDS)),
        help="Which runner it is, default: found out where it can be. Once, or per --url.",
    ),
    click.option(
        "--api-key-env",
        "key_variables",
        multiple=True,
        metavar="VARIABLE",
        help="Environment variable that holds the key: once, or per --url.",
    ),
    click.option(
        "--via",
        type=click.Choice(["both", "raw", "gateway"]),
        default="both",
        show_default=True,
        help="How to reach a model of the configuration.",
    ),
)
LOAD_OPTIONS = (
    click.option(
        "--users",
        callback=user_levels,
        metavar="N,N,…",
        help="Closed loop: users who send their next request when they have their answer. "
        "Default 1,5,10,15,20,50.",
    ),
    click.option(
        "--rate",
        "rates",
        callback=rate_levels,
        metavar="N,N,…",
        help="Open loop: requests a second, arriving at random (Poisson).",
    ),
    click.option(
        "--duration",
        "duration_s",
        callback=duration,
        metavar="TIME",
        help="How long each measurement sends requests. Default 15s, none with --requests.",
    ),
    click.option("--requests", type=_COUNT, help="How many requests each measurement sends."),
    click.option(
        "--timeout",
        "timeout_s",
        callback=duration,
        metavar="TIME",
        default="600s",
        show_default=True,
        help="After that a request counts as timed out.",
    ),
    click.option("--repeats", type=click.IntRange(1, 100), default=2, show_default=True),
    click.option(
        "--warmup",
        type=click.IntRange(0, 1000),
        default=1,
        show_default=True,
        help="Requests before each measurement that do not count.",
    ),
    click.option("--seed", type=int, default=1, show_default=True),
    click.option(
        "--retry",
        is_flag=True,
        help="Send refused and failed requests again as client libraries do: twice, after "
        "Retry-After.",
    ),
    click.option(
        "--slo",
        callback=slo,
        metavar="LIMITS",
        help="What is good service: ttft=2s,itl=100ms,e2e=30s.",
    ),
)
PROMPT_OPTIONS = (
    click.option("--prompt", "text", help="Ask this, every time."),
    click.option(
        "--prompts",
        "file",
        type=_READABLE,
        help='Ask these, one JSON value a line: "…", {"prompt": "…"} or {"messages": […]}.',
    ),
    click.option(
        "--input-tokens",
        type=click.IntRange(8, 1_000_000),
        default=128,
        show_default=True,
        help="Length of the prompts that are made when none are given.",
    ),
    click.option(
        "--output-tokens",
        type=click.IntRange(1, 1_000_000),
        default=128,
        show_default=True,
        help="max_tokens of each request; with --output-spread, of all on average.",
    ),
    click.option(
        "--output-spread",
        type=click.FloatRange(0, 0.9),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="Made prompts: answers are between 1 - SHARE and 1 + SHARE times as long, evenly.",
    ),
    click.option(
        "--exact/--no-exact",
        default=None,
        help="Have vLLM and llama-server write exactly that many. Default: with made prompts.",
    ),
)
OUTPUT_OPTIONS = (
    click.option("--json", "json_file", type=_OUT, help="Write everything that was found."),
    click.option("--csv", "csv_file", type=_OUT, help="Write one line for each step."),
    click.option("--html", "html_file", type=_OUT, help="Write a page with plots."),
    click.option("--records", is_flag=True, help="Keep every single request in the JSON file."),
    click.option("--quiet", is_flag=True, help="Show no progress."),
)
ALL = (*TARGET_OPTIONS, *LOAD_OPTIONS, *PROMPT_OPTIONS, *OUTPUT_OPTIONS)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Decorate a command with `options`, listed in its help in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
