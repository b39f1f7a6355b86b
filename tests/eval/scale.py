"""How long the simulations run, and from which seeds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Virtual seconds and numbers of seeds."""

    name: str
    seeds: int
    horizon_s: int
    """Of the open loop."""
    requests_each: int
    """Of every user of the closed loop."""
    burst_seeds: int
    backlog_s: int
    """How long tenants stay backlogged."""


FULL = Scale("full", 4, 5000, 30, 20, 4000)
SMOKE = Scale("smoke", 1, 800, 10, 2, 1000)
SCALES = {scale.name: scale for scale in (FULL, SMOKE)}
