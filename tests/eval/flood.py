"""Row 10: one tenant queues two hundred requests beside four that ask now and then."""

from __future__ import annotations

import random
import statistics
from functools import partial
from itertools import product

from tests.eval.fan_out import Runs
from tests.eval.line import Line, at_most
from tests.eval.scale import Scale
from tests.eval.service import SECOND, lognormal
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import VirtualStore

MEAN_US, CV, LIGHT, GREEDY = 8 * SECOND, 0.5, 4, 200
THINK_US = (0, 8 * SECOND)
"""From an answer to the next question, on average."""
FOREVER_US = 10**6 * SECOND
RESIDUAL_US = int(MEAN_US * (1 + CV * CV) / 2)
"""What is left on average of a request that runs: nobody is stopped for a newcomer."""


def run(
    store: VirtualStore, slots: int, think_us: int, seed: int, horizon_s: int, *, flood: bool
) -> list[int]:
    """The waits of the light ones."""
    source = random.Random(seed)
    sizes = lognormal(source, MEAN_US, CV)
    greedy_sizes = lognormal(random.Random(seed + 1), MEAN_US, CV)

    def more(_: Request | None = None) -> None:
        simulation.submit(Request(next(greedy_sizes), MEAN_US, FOREVER_US, flow="greedy"))

    def started(request: Request) -> None:
        if request.flow == "greedy":
            more()

    def ask(tenant: str) -> None:
        simulation.submit(Request(next(sizes), MEAN_US, FOREVER_US, flow=tenant))

    def ended(request: Request) -> None:
        if request.flow != "greedy":
            think_us_now = int(source.expovariate(1) * think_us)
            simulation.at(simulation.now + think_us_now, ask, request.flow)

    simulation = Simulation(store, slots, on_start=started, on_end=ended)
    if flood:
        for _ in range(GREEDY):
            simulation.at(BEGIN_US, more)
    for tenant in range(LIGHT):
        simulation.at(BEGIN_US, ask, f"light{tenant}")
    simulation.run(BEGIN_US + horizon_s * SECOND)
    return [r.waited for r in simulation.requests if r.flow != "greedy" and r.started is not None]


def measure(each: Runs, scale: Scale) -> list[Line]:
    """Medians with the flood over medians without."""
    lines = []
    for slots, think_us in product((1, 2), THINK_US):
        waits = {
            flood: [
                wait
                for of_seed in each(
                    partial(run, flood=flood),
                    [
                        (slots, think_us, seed, scale.backlog_s // 4)
                        for seed in scale.seeds_of(scale.seeds)
                    ],
                )
                for wait in of_seed
            ]
            for flood in (False, True)
        }
        without, with_ = statistics.median(waits[False]), statistics.median(waits[True])
        ratio = (with_ - RESIDUAL_US) / max(without, 1)
        case = f"{slots} slots, {think_us // SECOND} s between their requests"
        what = f"median wait of 4 light tenants beside 200 requests / without, {case}"
        lines.append(at_most("10", what, 2.0, ratio, [without / SECOND, with_ / SECOND]))
    return lines
