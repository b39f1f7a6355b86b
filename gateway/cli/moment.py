"""Durations and moments as people write them on a command line, and as they read them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click
from pydantic_core import PydanticCustomError

from gateway.settings.auth import moment_s

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])|0")
_FARTHEST_S = 100 * 366 * 86_400


def duration_s(text: str) -> int | None:
    """Seconds of `30m`, `24h`, `90d` or `0`; None for what is no duration."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        return None
    return int(found[1]) * _UNITS[found[2]] if found[1] else 0


def duration_option(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """Callback of an option that takes a duration. Raises `click.BadParameter`."""
    seconds = duration_s(text)
    if seconds is None or seconds > _FARTHEST_S:
        raise click.BadParameter(f"'{text}' is no duration; give one such as 30m, 24h, 7d or 0.")
    return seconds


def moment_option(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> float | None:
    """Callback of an option that takes a time to come, as Unix time: a date, a date and time, or a
    duration from now. Raises `click.BadParameter`."""
    if text is None:
        return None
    now = time.time()
    seconds = duration_s(text)
    try:
        moment = moment_s(text) if seconds is None else now + seconds
    except PydanticCustomError:
        raise click.BadParameter(
            f"'{text}' is no moment; give a duration such as 90d, a date such as 2027-01-31, or "
            "one with a time: 2027-01-31T18:00:00Z."
        ) from None
    if not now < moment < now + _FARTHEST_S:
        raise click.BadParameter(f"'{text}' is past, or a century away; give a time to come.")
    return moment


def shown_moment(moment: float | None) -> str | None:
    """A Unix time in ISO 8601, in UTC, to the second."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
