"""Row 7: fifty requests within half a second, sent by a library that comes again when told to."""

from __future__ import annotations

import random

from tests.eval.fan_out import Runs
from tests.eval.line import Line, at_least, at_most
from tests.eval.scale import Scale
from tests.eval.service import SECOND, lognormal
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import VirtualStore

REQUESTS, WITHIN_US, SLOTS, RETRIES = 50, SECOND // 2, 2, 2
MEAN_US, BUDGET_US, CV = 8 * SECOND, 60 * SECOND, 1.0


def run(store: VirtualStore, seed: int) -> list[Request]:
    """All attempts. A client comes again exactly when it was told to, twice at most."""
    source = random.Random(seed)
    sizes = lognormal(source, MEAN_US, CV)

    def refused(request: Request) -> None:
        if request.attempt < RETRIES:
            again = Request(
                request.service_us,
                MEAN_US,
                BUDGET_US,
                body=request.body,
                attempt=request.attempt + 1,
            )
            simulation.at(simulation.now + request.retry_after_us, simulation.submit, again)

    simulation = Simulation(store, SLOTS, on_refused=refused)
    for number in range(REQUESTS):
        at = BEGIN_US + int(source.random() * WITHIN_US)
        first = Request(next(sizes), MEAN_US, BUDGET_US, body=f"body{number}")
        simulation.at(at, simulation.submit, first)
    simulation.run(BEGIN_US + 1000 * SECOND)
    return simulation.requests


def measure(each: Runs, scale: Scale) -> list[Line]:
    """What the clients got, and how often they had to ask."""
    runs = each(run, [(seed,) for seed in scale.seeds_of(scale.burst_seeds)])
    total = len(runs) * REQUESTS
    completed = [sum(r.ended is not None for r in attempts) for attempts in runs]
    attempts = [len(attempts) for attempts in runs]
    open_ends = sum(r.ended is None and r.refused is None for each in runs for r in each)
    return [
        at_least("7", "burst of 50: completed (policy)", 0.95, sum(completed) / total, completed),
        at_most("7", "burst of 50: attempts / request", 1.8, sum(attempts) / total, attempts),
        at_most("7", "burst of 50: without an answer", 0, open_ends),
    ]
