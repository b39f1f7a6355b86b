"""The evaluation in virtual time: it runs, it repeats itself, and its verdict can be bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.eval import backlog, burst, open_loop
from tests.eval.fan_out import on
from tests.eval.scale import SMOKE
from tests.eval.service import SECOND
from tests.eval.simulation import BEGIN_US, Request, Simulation
from tests.eval.virtual_store import Edit, VirtualStore

FREE_OF_CHARGE: Edit = ("own = own + math.floor(t[COST] / t[WEIGHT])", "own = own + 1")
NEVER_REFUSED: Sequence[Edit] = (
    ("math.floor(work / o.slots) > left", "false"),
    ("math.floor(math.floor(work_of(o, ahead) * 13 / 20) / o.slots) > left", "false"),
)
NOT_PACED: Edit = ("math.min(now + MAX_RETRY, place + gap)", "now + MIN_RETRY")


def test_a_simulated_replica_serves_in_virtual_time() -> None:
    with VirtualStore() as store:
        simulation = Simulation(store, slots=2)
        for _ in range(4):
            request = Request(service_us=8 * SECOND, cost_us=8 * SECOND, budget_us=60 * SECOND)
            simulation.at(BEGIN_US, simulation.submit, request)
        simulation.run(BEGIN_US + 60 * SECOND)
    assert [request.waited for request in simulation.requests] == [0, 0, 8 * SECOND, 8 * SECOND]
    assert simulation.busy_us == 32 * SECOND


def test_the_same_seed_gives_the_same_figures() -> None:
    with VirtualStore() as store:
        one, other = (burst.run(store, seed=3) for _ in range(2))
    assert [(r.arrived, r.started, r.reason) for r in one] == [
        (r.arrived, r.started, r.reason) for r in other
    ]


def test_tenants_that_pay_nothing_are_found_unfair() -> None:
    small = replace(SMOKE, backlog_s=800)
    with VirtualStore() as store:
        good = backlog.measure(on(store), small)[0]
    with VirtualStore([FREE_OF_CHARGE]) as store:
        bad = backlog.measure(on(store), small)[0]
    assert good.passed
    assert bad.passed is False


def test_a_queue_that_refuses_nobody_is_found_to_waste_time() -> None:
    with VirtualStore() as store:
        good = open_loop.run(store, 2.5, 0.5, seed=0, horizon_s=400)
    with VirtualStore(NEVER_REFUSED) as store:
        bad = open_loop.run(store, 2.5, 0.5, seed=0, horizon_s=400)
    assert good.wasted <= open_loop.WASTED[2.5] < bad.wasted


def test_a_burst_that_all_comes_back_at_once_is_found_lost() -> None:
    with VirtualStore() as store:
        good = burst.measure(on(store), SMOKE)
    with VirtualStore([NOT_PACED]) as store:
        bad = burst.measure(on(store), SMOKE)
    assert all(line.passed for line in good)
    assert bad[0].passed is False


def test_an_edit_that_no_longer_fits_the_policy_is_an_error() -> None:
    with pytest.raises(ValueError, match="no longer"), VirtualStore([("no longer there", "")]):
        pass
