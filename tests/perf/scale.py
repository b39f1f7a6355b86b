"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

STEP_MS = 4.0  # between two chunks of a stream: 8 000 chunks a second over 32 streams
CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts per round and contender, unless they say otherwise."""

    rounds: int = 11
    calls: int = 4_000
    streams: int = 64
    latency_calls: int = 1_000
    memory_warm_up: int = 5_000
    memory_calls: int = 100_000
    starts: int = 5


SCALES = {
    "smoke": Scale(rounds=2, calls=1_000, streams=32, latency_calls=200, memory_warm_up=500,
                   memory_calls=2_000, starts=1),
    "default": Scale(),
    "full": Scale(rounds=15, calls=20_000, streams=96, latency_calls=5_000, memory_calls=1_000_000),
}  # fmt: skip
