"""What a run measures, in which order, and within which bounds. Values only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from backends.base import BackendKind
from backends.transport import Tls
from gateway.bench.result import DialectName, Path, Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place to send requests to. `api_key` is never shown."""

    name: str
    group: str
    url: str
    """Without /v1, for every dialect."""
    model: str
    dialect: DialectName = "openai-chat"
    path: Path = "raw"
    kind: BackendKind | None = None
    version: str | None = None
    slots: int | None = None
    flags: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()
    """Names of those that share its requests, where the configuration tells."""
    api_key: str | None = field(default=None, repr=False)
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """So many users at once, or so many arrivals a second. Exactly one of the two is set."""

    users: int | None = None
    rate: float | None = None

    def __str__(self) -> str:
        if self.users is not None:
            return f"{self.users} user{'' if self.users == 1 else 's'}"
        return f"{self.rate:g} requests/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long one measurement sends requests: until the first of the two is reached."""

    duration_s: float | None
    requests: int | None
    timeout_s: float = 600.0
    """Of one request, the wait in any queue included. Client libraries wait as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole run."""

    targets: tuple[Target, ...]
    loads: tuple[Load, ...]
    bounds: Bounds
    repeats: int = 2
    warmup: int = 1
    seed: int = 1
    retry: bool = False
    slo: Slo | None = None
    records: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load on one target, once."""

    load: Load
    target: Target
    repeat: int
    seed: int
    """Of everything random in it; targets under the same load share it, and so their arrivals."""


def in_order(plan: Plan) -> Iterator[Measurement]:
    """Targets take turns, and every other round runs backwards.

    So a machine that grows warm, or a neighbour that comes and goes, is as hard on one target as
    on the next.
    """
    seeds = random.Random(plan.seed)
    for load in plan.loads:
        for repeat in range(plan.repeats):
            seed = seeds.getrandbits(32)
            turns = plan.targets if repeat % 2 == 0 else plan.targets[::-1]
            for target in turns:
                yield Measurement(load, target, repeat, seed)
