"""Cores for the engine, and others for load and gateway, so that neither takes the other's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class CoresMissing(Exception):
    """They cannot be shared out as wanted; the message says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Numbers of cores, as the operating system counts them."""

    engine: frozenset[int]
    load: frozenset[int]
    """Of the generator and of the gateway."""


def share_out(engine: int) -> Cores:
    """So many for the engine, the others for the rest. Raises `CoresMissing`."""
    if not hasattr(os, "sched_setaffinity"):
        raise CoresMissing("only Linux lets a process be kept to some cores; leave it out here")
    ours = sorted(os.sched_getaffinity(0))
    if engine >= len(ours):
        raise CoresMissing(
            f"of {len(ours)} cores here, {engine} for the engine leave none for load and gateway"
        )
    return Cores(frozenset(ours[:engine]), frozenset(ours[engine:]))


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
