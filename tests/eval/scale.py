"""How long the simulations run, and from which seeds."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SEED = 1000


@dataclass(frozen=True, slots=True)
class Scale:
    """Virtual seconds and numbers of seeds."""

    name: str
    seeds: int
    open_seeds: int
    """Of the open loop, whose figures vary most."""
    horizon_s: int
    """Of the open loop."""
    requests_each: int
    """Of every user of the closed loop."""
    burst_seeds: int
    backlog_s: int
    """How long tenants stay backlogged."""

    def seeds_of(self, number: int) -> range:
        """So many that nothing was tuned on."""
        return range(FIRST_SEED, FIRST_SEED + number)


FULL = Scale("full", 6, 12, 5000, 30, 20, 4000)
SMOKE = Scale("smoke", 1, 1, 800, 10, 2, 1000)
SCALES = {scale.name: scale for scale in (FULL, SMOKE)}
