"""`sluicegate advise`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway.advise import measured, observed
from gateway.advise.decide import decide
from gateway.advise.decision import Verdict
from gateway.advise.facts import Facts, Wish
from gateway.advise.hardware import look
from gateway.advise.live import Unreachable, observe
from gateway.advise.observation import NothingSeen
from gateway.advise.requests_file import RequestsUnreadable, uses_in
from gateway.advise.scrape import NotAGateway
from gateway.advise.use import Use
from gateway.advise.words import as_json, as_text
from gateway.bench.result_file import ResultUnreadable, read_result

EXIT_NO_DECISION = 1
EXIT_BAD_INPUT = 2
_FAULTS = (
    measured.NothingMeasured,
    NothingSeen,
    Unreachable,
    NotAGateway,
    RequestsUnreadable,
    ResultUnreadable,
)


@dataclass(frozen=True, slots=True)
class _Source:
    result: Path | None
    live: str | None
    for_s: float
    target: str | None
    model: str | None
    runner: str | None
    api_key_env: str | None


@click.command()
@click.argument("result", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--live", metavar="URL", help="Look at a running gateway instead of a result.")
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(1, 3600),
    default=10,
    show_default=True,
    help="Seconds to look at it.",
)
@click.option(
    "--model", help="With --live: the model to look at [default: the busiest while it looks]."
)
@click.option(
    "--runner",
    help="With --live: the runner to look at [default: the one with most of the model's requests].",
)
@click.option("--target", help="With a result: the target in use now [default: its first].")
@click.option(
    "--users",
    type=click.IntRange(1, 1_000_000),
    help="People to serve at once [default: the most that were seen].",
)
@click.option(
    "--think",
    "think_s",
    type=click.FloatRange(0, 86_400),
    default=0,
    show_default=True,
    help="Seconds a person reads and types between two requests.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(1, 86_400),
    default=60,
    show_default=True,
    help="Longest wait for a slot that people put up with, in seconds.",
)
@click.option(
    "--first-token",
    "first_token_s",
    type=click.FloatRange(0.01, 3600),
    default=2,
    show_default=True,
    help="A first token within so many seconds (p99) is prompt.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 10_000),
    default=5,
    show_default=True,
    help="Slowest answer that is readable, in tokens per second.",
)
@click.option(
    "--uses",
    type=click.Choice([use.value for use in Use]),
    multiple=True,
    help="What the requests make use of; may be given several times.",
)
@click.option(
    "--requests",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Requests as JSON lines, to see what they make use of.",
)
@click.option("--api-key-env", metavar="NAME", help="Variable with a key of the gateway.")
@click.option("--json", "json_form", is_flag=True, help="Print it for programs.")
def advise(  # noqa: PLR0913 - one parameter an option
    result: Path | None,
    live: str | None,
    for_s: float,
    model: str | None,
    runner: str | None,
    target: str | None,
    users: int | None,
    think_s: float,
    patience_s: float,
    first_token_s: float,
    speed: float,
    uses: tuple[str, ...],
    requests: Path | None,
    api_key_env: str | None,
    json_form: bool,
) -> None:
    """Say from measured figures whether to stay, to queue, or to move to another runner.

    RESULT is a file of 'sluicegate bench --json'. Exits with 1 when the figures do not allow a
    decision, and with 2 when there are none.
    """
    if (result is None) == (live is None):
        raise click.UsageError("give either a RESULT.json or --live URL")
    source = _Source(result, live, for_s, target, model, runner, api_key_env)
    wish = Wish(users, think_s, patience_s, first_token_s, speed)
    try:
        used = frozenset(map(Use, uses)) | (uses_in(requests) if requests else frozenset())
        facts = _facts(source, used)
    except _FAULTS as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_BAD_INPUT)
    decision = decide(facts, wish)
    if json_form:
        click.echo(json.dumps(as_json(decision, facts, wish), indent=1, allow_nan=False))
    else:
        click.echo(as_text(decision, facts, wish), nl=False)
    if decision.verdict is Verdict.UNKNOWN:
        sys.exit(EXIT_NO_DECISION)


def _facts(source: _Source, uses: frozenset[Use]) -> Facts:
    if source.result is not None:
        result = read_result(source.result)
        name = source.result.name
        return measured.facts_from(result, name, target=source.target, uses=uses)
    assert source.live is not None
    click.echo(f"looking at {source.live} for {source.for_s:g} s …", err=True)
    observation = asyncio.run(observe(source.live, source.for_s, api_key=_key(source.api_key_env)))
    here = urlsplit(observation.url).hostname in ("127.0.0.1", "localhost", "::1")
    return observed.facts_from(
        observation,
        model=source.model,
        runner=source.runner,
        hardware=look() if here else None,
        uses=uses,
    )


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise click.UsageError(f"the variable {variable} of --api-key-env is not set")
    return value
