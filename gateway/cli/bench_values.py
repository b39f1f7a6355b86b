"""Values of `sluicegate bench` as they are written on a command line, as callbacks of options."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import click

from gateway.bench.result import Slo

Number = TypeVar("Number", int, float)

MOST_USERS = 10_000
_LONGEST_S = 86_400.0
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m|h)?")
_FACTORS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SLO_FIELDS = {"ttft": "ttft_s", "itl": "itl_s", "e2e": "e2e_s"}


def parse_duration(text: str) -> float | None:
    """`30`, `30s`, `1.5m`, `200ms` in seconds; None if it is none of these, or nothing at all."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _FACTORS[match[2] or "s"] if match else 0.0
    return seconds or None


def duration(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """A time above zero, in seconds unless it says otherwise."""
    if text is None:
        return None
    seconds = parse_duration(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is no time; write 30s, 2m, 500ms")
    if seconds > _LONGEST_S:
        raise click.BadParameter(f"{text!r} is longer than a day")
    return seconds


def user_levels(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Numbers of users, separated by commas, none twice."""
    return None if text is None else _levels(text, int, "1,5,10")


def rate_levels(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    """Requests a second, separated by commas, none twice."""
    return None if text is None else _levels(text, float, "0.5,2,10")


def slots(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Numbers of slots, separated by commas, none twice."""
    return _levels(text, int, "1,4")


def _levels(text: str, parse: Callable[[str], Number], example: str) -> tuple[Number, ...]:
    try:
        levels = tuple(map(parse, text.split(",")))
    except ValueError:
        levels = ()
    if not levels or not all(0 < level <= MOST_USERS for level in levels):
        raise click.BadParameter(
            f"{text!r} must be numbers above 0, at most {MOST_USERS}, such as {example}"
        )
    if len(set(levels)) < len(levels):
        raise click.BadParameter(f"{text!r} names a load twice; use --repeats")
    return levels


def slo(context: click.Context, option: click.Parameter, text: str | None) -> Slo | None:
    """Demands on each request: `ttft=2s,itl=100ms,e2e=30s`, any of the three."""
    if text is None:
        return None
    demands: dict[str, float] = {}
    for part in text.split(","):
        name, _, limit = part.partition("=")
        field, seconds = _SLO_FIELDS.get(name.strip()), parse_duration(limit)
        if field is None or seconds is None:
            raise click.BadParameter(f"{part!r} must be ttft=2s, itl=100ms or e2e=30s")
        demands[field] = seconds
    return Slo(**demands)
