"""Cores for the engine, and others for load and gateway, so that neither takes the other's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


class CoresMissing(Exception):
    """They cannot be shared out as wanted; the message says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Numbers of cores, as the operating system counts them: each hardware thread is one."""

    engine: frozenset[int]
    load: frozenset[int]
    """Of the generator and of the gateway."""


def share_out(engine: int, siblings: Mapping[int, frozenset[int]] | None = None) -> Cores:
    """So many for the engine, the others for the rest. Raises `CoresMissing`.

    Threads of one physical core slow each other down, so they go to one side: where `engine` would
    part them, the engine gets more. `siblings` are those of each core that may be used, itself
    included; default what the operating system says.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise CoresMissing("only Linux lets a process be kept to some cores; leave it out here")
    if siblings is None:
        siblings = {core: siblings_of(core) for core in os.sched_getaffinity(0)}
    whole = sorted({each.intersection(siblings) for each in siblings.values()}, key=min)
    for count in range(1, len(whole)):
        taken = frozenset[int]().union(*whole[:count])
        if len(taken) >= engine:
            return Cores(taken, frozenset(siblings) - taken)
    together = "" if len(whole) == len(siblings) else ", as threads of one core stay together"
    raise CoresMissing(
        f"of {len(siblings)} cores here, {engine} for the engine leave none for load and gateway"
        f"{together}"
    )


def siblings_of(core: int, file: str = _SIBLINGS) -> frozenset[int]:
    """The hardware threads of its physical core; itself alone where nothing tells."""
    try:
        return _listed(Path(file.format(core)).read_text()) | {core}
    except (OSError, ValueError):
        return frozenset({core})


def _listed(text: str) -> frozenset[int]:
    """Numbers in the kernel's words: `0,4` or `0-1`."""
    ranges = (part.partition("-") for part in text.strip().split(","))
    return frozenset(
        core for low, _, high in ranges for core in range(int(low), int(high or low) + 1)
    )


@contextmanager
def kept_to(cores: frozenset[int] | None) -> Iterator[None]:
    """Keep this thread to `cores`, and the processes it starts for as long as they live.

    None changes nothing.
    """
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
