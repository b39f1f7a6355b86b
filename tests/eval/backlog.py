"""Row 9: tenants that always have work waiting get equal parts of the slots, or their weights'."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

from tests.eval.fan_out import Runs
from tests.eval.line import Line, at_least, at_most, shown
from tests.eval.scale import Scale
from tests.eval.service import SECOND, lognormal
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import VirtualStore

SLOTS = (1, 2, 4)
DEPTH = 6
"""Requests that each tenant keeps in the queue: more than it can ever have in the slots."""
FOREVER_US = 10**6 * SECOND
UNLIKE = {"short": 2 * SECOND, "middle": 6 * SECOND, "long": 16 * SECOND}
WEIGHTS = {"one": 1, "two": 2, "four": 4}


@dataclass(slots=True)
class Account:
    """What each tenant has had at every moment, in slot-time over weight, and how far they came
    apart."""

    weights: Mapping[str, int]
    served: dict[str, float]
    low: dict[tuple[str, str], float]
    high: dict[tuple[str, str], float]
    running: dict[str, int]
    now: int = BEGIN_US
    largest: int = 0

    @classmethod
    def of(cls, weights: Mapping[str, int]) -> Account:
        zero = dict.fromkeys(combinations(weights, 2), 0.0)
        nobody = dict.fromkeys(weights, 0)
        return cls(weights, dict.fromkeys(weights, 0.0), dict(zero), dict(zero), nobody)

    def change(self, now: int, flow: str, by: int) -> None:
        """A tenant has one slot more, or less, from now on."""
        for name, slots in self.running.items():
            self.served[name] += slots * (now - self.now) / self.weights[name]
        self.now = now
        self.running[flow] += by
        for one, other in self.low:
            apart = self.served[one] - self.served[other]
            self.low[one, other] = min(self.low[one, other], apart)
            self.high[one, other] = max(self.high[one, other], apart)

    @property
    def jain(self) -> float:
        """1: all have had the same."""
        values = self.served.values()
        return sum(values) ** 2 / (len(values) * sum(value**2 for value in values))

    @property
    def gap(self) -> float:
        """The most that one got ahead of another in any stretch of time, in largest requests."""
        return max(self.high[pair] - self.low[pair] for pair in self.low) / self.largest

    @property
    def weight_error(self) -> float:
        """How far the share of the worst off, or best off, is from what its weight says."""
        mean = sum(self.served.values()) / len(self.served)
        return max(abs(value / mean - 1) for value in self.served.values())


@dataclass(frozen=True, slots=True)
class Tenants:
    """Their mean service times, which the gateway knows, and weights."""

    means_us: Mapping[str, int]
    weights: Mapping[str, int]


def run(
    store: VirtualStore, tenants: Tenants, slots: int, cv: float, seed: int, backlog_s: int
) -> Account:
    """Keep every tenant's line filled for so long."""
    source = random.Random(seed)
    account = Account.of(tenants.weights)
    sizes = {name: lognormal(source, mean, cv) for name, mean in tenants.means_us.items()}

    def more(name: str) -> None:
        mean, weight = tenants.means_us[name], tenants.weights[name]
        simulation.submit(Request(next(sizes[name]), mean, FOREVER_US, flow=name, weight=weight))

    def started(request: Request) -> None:
        account.change(simulation.now, request.flow, 1)
        account.largest = max(account.largest, request.service_us)
        more(request.flow)

    def ended(request: Request) -> None:
        account.change(simulation.now, request.flow, -1)

    simulation = Simulation(store, slots, on_start=started, on_end=ended)
    for name in tenants.means_us:
        for _ in range(DEPTH):
            simulation.at(BEGIN_US, more, name)
    simulation.run(BEGIN_US + backlog_s * SECOND)
    return account


def measure(each: Runs, scale: Scale) -> list[Line]:
    """Equal tenants with unlike requests, then tenants of unlike weight."""
    equal = Tenants(UNLIKE, dict.fromkeys(UNLIKE, 1))
    unequal = Tenants(dict.fromkeys(WEIGHTS, 8 * SECOND), WEIGHTS)
    seeds = scale.seeds_of(scale.seeds)
    kinds = list(product(SLOTS, (0.5, 1.0)))
    fair = each(run, [(equal, *kind, seed, scale.backlog_s) for kind in kinds for seed in seeds])
    weighted = each(
        run,
        [(unequal, slots, 0.5, seed, scale.backlog_s) for slots in SLOTS for seed in seeds],
    )
    jains, gaps = [it.jain for it in fair], [it.gap for it in fair]
    errors = [it.weight_error for it in weighted]
    of_kind = [gaps[n : n + len(seeds)] for n in range(0, len(gaps), len(seeds))]
    typical = [statistics.median(some) for some in of_kind]
    what = "backlogged tenants of 2, 6 and 16 s requests, 1 to 4 slots: "
    gap = what + "largest gap / largest request"
    return [
        at_least("9", what + "Jain, worst run", 0.99, min(jains), jains),
        at_most("9", f"{gap}, median of {len(seeds)} runs, worst case", 2.0, max(typical), gaps),
        shown("9", f"{gap}, largest of {len(gaps)} runs", max(gaps)),
        at_most("9", "backlogged, weights 1:2:4, worst run: error", 0.05, max(errors), errors),
    ]
