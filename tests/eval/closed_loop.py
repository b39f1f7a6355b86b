"""Row 6b: people who ask, read, and ask again, on a machine that they fill but do not flood."""

from __future__ import annotations

import random
from itertools import product

from tests.eval.fan_out import Runs
from tests.eval.line import Line, at_least, shown
from tests.eval.scale import Scale
from tests.eval.service import SECOND, lognormal
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import VirtualStore

MEAN_US, BUDGET_US = 8 * SECOND, 120 * SECOND
"""The budget of the default class."""
USERS, SLOTS = (5, 10, 15), (1, 2, 4)


def run(
    store: VirtualStore, users: int, slots: int, cv: float, seed: int, requests_each: int
) -> list[Request]:
    """Everybody asks anew as soon as he has his answer; nobody has to think."""
    source = random.Random(seed)
    sizes = lognormal(source, MEAN_US, cv)
    left = dict.fromkeys((f"user{n}" for n in range(users)), requests_each)

    def ask(user: str) -> None:
        if left[user]:
            left[user] -= 1
            simulation.submit(Request(next(sizes), MEAN_US, BUDGET_US, flow=user))

    def refused(request: Request) -> None:
        simulation.at(simulation.now + request.retry_after_us, ask, request.flow)

    simulation = Simulation(
        store, slots, on_end=lambda request: ask(request.flow), on_refused=refused
    )
    for number, user in enumerate(left):
        simulation.at(BEGIN_US + number * SECOND // 10, ask, user)
    simulation.run(BEGIN_US + 2 * users * requests_each * MEAN_US // slots + 10 * BUDGET_US)
    return simulation.requests


def measure(each: Runs, scale: Scale) -> list[Line]:
    """The share of answers, where the sizing rule promises them."""
    lines = []
    for cv in (0.5, 1.0, 2.0):
        shares: dict[str, float] = {}
        answered = total = 0
        for users, slots in product(USERS, SLOTS):
            if 1.5 * users * MEAN_US / slots > BUDGET_US:
                continue
            seeds = scale.seeds_of(scale.seeds)
            runs = each(run, [(users, slots, cv, seed, scale.requests_each) for seed in seeds])
            requests = [request for of_seed in runs for request in of_seed]
            good = sum(request.ended is not None for request in requests)
            shares[f"{users} users, {slots} slots"] = good / len(requests)
            answered, total = answered + good, total + len(requests)
        worst = min(shares, key=lambda case: shares[case])
        line = shown if cv > 1 else at_least
        what = f"closed loop, share answered, CV {cv:g} (worst: {worst}: {shares[worst]:.3f})"
        arguments = (answered / total, shares) if cv > 1 else (0.99, answered / total, shares)
        lines.append(line("6b", what, *arguments))
    return lines
