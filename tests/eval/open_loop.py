"""Rows 5, 6 and 8: strangers arrive at random, more of them than two slots can serve."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.eval.fan_out import Runs
from tests.eval.line import Line, at_least, at_most, shown, within
from tests.eval.scale import Scale
from tests.eval.service import SECOND, arrivals, lognormal
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import VirtualStore

SLOTS, MEAN_US, BUDGET_US = 2, 8 * SECOND, 20 * SECOND
GOODPUT = {0.95: 0.87, 1.3: 0.94, 2.5: 0.97}
WASTED = {0.95: 0.5, 1.3: 0.35, 2.5: 0.35}
JUDGED = (0.5, 1.0)
"""Coefficients of variation; 2 is shown beside them."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of everybody in one run."""

    load: float
    cv: float
    requests: Sequence[Request]
    horizon_s: int

    @property
    def goodput(self) -> float:
        """Requests begun in time, of the most that anybody could have begun."""
        served = _served(self.requests)
        # How many such requests as were served: another's length would be chance beside it.
        mean = statistics.fmean(request.service_us for request in served)
        capacity = SLOTS * (self.horizon_s * SECOND + BUDGET_US) / mean
        return len(served) / min(len(self.requests), capacity)

    @property
    def shed(self) -> float:
        """Share of the requests that were not served."""
        return 1 - len(_served(self.requests)) / len(self.requests)

    @property
    def wasted(self) -> float:
        """How long those waited who were not served, as a share of what they were ready to wait."""
        waits = [r.waited / r.budget_us for r in self.requests if r.refused is not None]
        return statistics.fmean(waits) if waits else 0.0

    @property
    def at_once(self) -> float:
        """Share of the refusals that were given without any wait."""
        refused = [r for r in self.requests if r.refused is not None]
        return sum(r.waited == 0 for r in refused) / len(refused) if refused else 1.0


def _served(requests: Iterable[Request]) -> list[Request]:
    return [r for r in requests if r.started is not None and r.waited <= r.budget_us]


def run(store: VirtualStore, load: float, cv: float, seed: int, horizon_s: int) -> Run:
    """Let requests arrive for so long, and the last of them be answered."""
    source = random.Random(seed)
    simulation = Simulation(store, SLOTS)
    sizes = lognormal(source, MEAN_US, cv)
    rate = load * SLOTS * SECOND / MEAN_US
    for at in arrivals(source, rate, horizon_s * SECOND):
        request = Request(next(sizes), MEAN_US, BUDGET_US)
        simulation.at(BEGIN_US + at, simulation.submit, request)
    simulation.run(BEGIN_US + horizon_s * SECOND + BUDGET_US)
    return Run(load, cv, simulation.requests, horizon_s)


def measure(each: Runs, scale: Scale) -> list[Line]:
    """The three rows."""
    runs = each(
        run,
        [
            (load, cv, seed, scale.horizon_s)
            for load in GOODPUT
            for cv in (*JUDGED, 2.0)
            for seed in scale.seeds_of(scale.open_seeds)
        ],
    )
    lines = []
    for load, target in GOODPUT.items():
        for cv in (*JUDGED, 2.0):
            these = [r for r in runs if (r.load, r.cv) == (load, cv)]
            lines += _lines(load, cv, target, these)
    judged = [r for r in runs if r.cv in JUDGED]
    return [*sorted(lines, key=lambda line: line.row), *predictions(judged)]


def _lines(load: float, cv: float, target: float, runs: Sequence[Run]) -> list[Line]:
    case = f"load {load}, CV {cv:g}"
    goodput, wasted = [r.goodput for r in runs], [r.wasted for r in runs]
    shed = statistics.fmean(r.shed for r in runs)
    at_once = statistics.fmean(r.at_once for r in runs)
    good = (f"served in time / min(offered, capacity), {case} ({shed:.0%} shed)", goodput)
    waste = (f"wait of who fails / budget, {case} ({at_once:.0%} refused at once)", wasted)
    if cv not in JUDGED:
        return [
            shown("5", good[0], statistics.fmean(goodput), goodput),
            shown("6", waste[0], statistics.fmean(wasted), wasted),
        ]
    return [
        at_least("5", good[0], target, statistics.fmean(goodput), goodput),
        at_most("6", waste[0], WASTED[load], statistics.fmean(wasted), wasted),
    ]


def predictions(runs: Sequence[Run]) -> list[Line]:
    """Row 8: what the queue said when they came, and what they saw.

    Nobody knows how long they would have waited who were refused before that time: they are counted
    apart. Who was refused after it, counts as a broken promise.
    """
    queued = [r for run in runs for r in run.requests if r.predicted is not None]
    known = [r for r in queued if r.started is not None or r.waited > _quantile(r)]
    kept = [r.waited <= _quantile(r) for r in known]
    lines = [within("8", "wait <= predicted 90 % quantile", (0.85, 0.97), statistics.fmean(kept))]
    lines.append(
        shown("8", "refused while waiting, before that time", 1 - len(known) / len(queued))
    )
    errors = [_error(r) for r in queued if r.started is not None]
    lines.append(
        at_most("8", "median error of the predicted wait", 0.35, statistics.median(errors))
    )
    for load in GOODPUT:
        some = [
            _error(r)
            for run in runs
            if run.load == load
            for r in run.requests
            if r.predicted is not None and r.started is not None
        ]
        lines.append(shown("8", f"median error, load {load}", statistics.median(some)))
    return lines


def _quantile(request: Request) -> int:
    assert request.predicted is not None
    return request.predicted[1]


def _error(request: Request) -> float:
    assert request.predicted is not None
    return abs(request.waited - request.predicted[0]) / max(request.waited, 1)
