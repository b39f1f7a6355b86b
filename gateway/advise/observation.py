"""What was seen of a running gateway, and which of its models and runners to look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.advise.scrape import Pair, PairReading, Reading


class NothingSeen(Exception):
    """The gateway has answered nothing that advice could rest on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Readings of one gateway, in the order they were made, and its list of models."""

    url: str
    took_s: float
    """From the first to the last reading."""
    readings: tuple[Reading, ...]
    models: tuple[Mapping[str, Any], ...]


def choose_pair(observation: Observation, model: str | None, runner: str | None) -> Pair:
    """The one with most to do while it was looked at; else the one with most to do ever.

    `model` and `runner` narrow the choice. Raises `NothingSeen` when that leaves none.
    """
    first, last, url = observation.readings[0], observation.readings[-1], observation.url
    if runner is not None and runner not in last.in_flight:
        known = ", ".join(sorted(last.in_flight))
        raise NothingSeen(f"{url} has no runner '{runner}'; it has {known or 'none'}")
    pairs = {pair: each for pair, each in last.pairs.items() if pair[1]}
    if model is not None:
        pairs = {pair: each for pair, each in pairs.items() if pair[0] == model}
    if not pairs:
        known = ", ".join(sorted({pair[0] for pair in last.pairs if pair[1]}))
        what = "anything" if model is None else f"a request for '{model}'"
        other = f" (it has for {known})" if known else ""
        raise NothingSeen(
            f"{url} has not answered {what} yet{other}: send it traffic, or measure with "
            "'sluicegate bench'"
        )
    if runner is not None and any(each.by_runner for each in pairs.values()):
        others = sorted({name for each in pairs.values() for name in each.by_runner})
        pairs = {pair: each for pair, each in pairs.items() if each.by_runner.get(runner)}
        if not pairs:
            what = "no request" if model is None else f"no request for '{model}'"
            raise NothingSeen(
                f"{url} has sent runner '{runner}' {what} yet; it has sent {', '.join(others)} some"
            )

    def asked(reading: PairReading) -> float:
        if runner is not None and reading.by_runner:
            return reading.by_runner.get(runner, 0.0)
        return reading.duration.count

    return max(
        pairs,
        key=lambda pair: (
            asked(pairs[pair].since(first.pairs.get(pair))),
            asked(pairs[pair]),
            pair,
        ),
    )


def choose_runner(observation: Observation, pair: Pair, reading: PairReading) -> str | None:
    """The runner that had most of the requests in `reading`; None where the gateway has none.

    Raises `NothingSeen` when nothing tells which of several it is.
    """
    known = sorted(observation.readings[-1].in_flight)
    asked = {name: count for name, count in reading.by_runner.items() if count > 0}
    here = {name: count for name, count in asked.items() if name in known}
    if here:
        return max(here, key=lambda name: (here[name], name))
    if asked or len(known) > 1:
        # Times of one model beside the slots and people of another's runner advise nobody.
        raise NothingSeen(
            f"{observation.url} has the runners {', '.join(known) or '(none)'}, and does not tell "
            f"which of them '{pair[0]}' is on: name it with --runner"
        )
    return known[0] if known else None
