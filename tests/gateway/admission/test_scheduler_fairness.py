"""Shares of the slots, in virtual time and to the request: the targets of DESIGN.md."""

from __future__ import annotations

from random import Random

import pytest

from tests.gateway.admission.crowd import SECOND, Crowd
from tests.gateway.admission.scripted import ScriptedScheduler
from tests.gateway.admission.store_queue import StoreQueue
from tests.oracle.ticket import Flow


def _flows(*weights: int, rank: int = 1) -> list[Flow]:
    return [Flow(f"f{n}", rank, weight, f"default {n}") for n, weight in enumerate(weights)]


def _crowd(script: ScriptedScheduler, slots: int, flows: list[Flow], sizes: list[int]) -> Crowd:
    random = Random(slots)
    crowd = Crowd(StoreQueue(script, slots=slots), lambda _: random.choice(sizes))
    crowd.count_anew(*flows)
    for flow in flows:
        for _ in range(slots + 1):
            crowd.come(flow)
    return crowd


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_weights_are_shares(script: ScriptedScheduler, slots: int) -> None:
    flows = _flows(1, 2, 4)
    crowd = _crowd(script, slots, flows, [SECOND, 2 * SECOND, 3 * SECOND])
    crowd.run(30)  # the first took slots that nobody else wanted yet
    crowd.count_anew(*flows)
    crowd.run(400)
    total = sum(crowd.served.values())
    for flow in flows:
        assert crowd.served[flow.id] / total == pytest.approx(flow.weight / 7, rel=0.05)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_equals_get_the_same_whatever_the_size_of_their_requests(
    script: ScriptedScheduler, slots: int
) -> None:
    sizes = {f"f{n}": size * SECOND // 2 for n, size in enumerate((1, 2, 3, 5, 16))}
    crowd = Crowd(StoreQueue(script, slots=slots), lambda flow: sizes[flow.id])
    flows = _flows(1, 1, 1, 1, 1)
    crowd.count_anew(*flows)
    for flow in flows:
        for _ in range(slots + 1):
            crowd.come(flow)
    crowd.run(500)
    served = crowd.served.values()
    assert sum(served) ** 2 / (len(served) * sum(each**2 for each in served)) >= 0.99
    assert crowd.widest_gap <= 2 * max(sizes.values())


def test_interactive_has_four_times_the_share_of_default(script: ScriptedScheduler) -> None:
    interactive, default = _flows(4, 1)
    crowd = _crowd(script, 2, [interactive, default], [SECOND])
    crowd.run(300)
    assert crowd.served[interactive.id] / crowd.served[default.id] == pytest.approx(4, rel=0.05)


def test_critical_goes_first_and_batch_last(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    batch = [queue.waits(Flow("b", 2, 9, "batch")) for _ in range(2)]
    default = [queue.waits(Flow("d", 1, 1, "default")) for _ in range(2)]
    critical = [queue.waits(Flow("c", 0, 1, "critical")) for _ in range(2)]
    for _ in range(6):
        queue.finish(*running)
        ticket, _, fence = queue.offers[-1]
        running = ticket, fence
    assert [ticket for ticket, _, _ in queue.offers] == [*critical, *default, *batch]


def test_a_flood_of_one_flow_delays_another_by_no_more_than_one_residual(
    script: ScriptedScheduler,
) -> None:
    greedy, light = _flows(1, 1)
    service = 2 * SECOND
    crowd = Crowd(StoreQueue(script), lambda _: service)
    for _ in range(200):
        crowd.come(greedy, again=False)
    random = Random(1)
    for served in range(5, 100, 8):
        crowd.run(served)
        crowd.advance(crowd.queue.now + random.randint(0, service - 1))
        crowd.come(light, again=False)
    crowd.run(110)
    waits = [wait for _, flow, wait in crowd.dispatched if flow == light.id]
    assert len(waits) == 12
    assert max(waits) <= service


def test_having_used_what_nobody_wanted_is_not_held_against_a_flow(
    script: ScriptedScheduler,
) -> None:
    alone, late = _flows(1, 1)
    crowd = Crowd(StoreQueue(script), lambda _: SECOND)
    for _ in range(3):
        crowd.come(alone)
    crowd.run(100)
    crowd.count_anew(alone, late)
    for _ in range(3):
        crowd.come(late)
    crowd.run(200)
    assert crowd.served[alone.id] == pytest.approx(crowd.served[late.id], abs=2 * SECOND)


def test_however_much_a_flow_has_had_it_is_held_back_for_no_more_than_a_minute_of_slots(
    script: ScriptedScheduler,
) -> None:
    hungry, modest = _flows(1, 1)
    queue = StoreQueue(script)
    queue.finish(*queue.runs(hungry), 3600 * SECOND)
    running = first = queue.runs(modest)
    mine = queue.waits(hungry, test=False)
    for _ in range(70):
        queue.waits(modest, test=False)
    for _ in range(65):
        queue.finish(*running)
        running = queue.offers[-1][0], queue.offers[-1][2]
    served = [first[0], *(ticket for ticket, _, _ in queue.offers)]
    assert served.index(mine) == 60


def test_having_been_away_earns_a_flow_nothing(script: ScriptedScheduler) -> None:
    here, away = _flows(1, 1)
    crowd = Crowd(StoreQueue(script), lambda _: SECOND)
    crowd.come(away, again=False)
    for _ in range(3):
        crowd.come(here)
    crowd.run(100)
    crowd.count_anew(here, away)
    for _ in range(3):
        crowd.come(away)
    crowd.run(160)
    assert crowd.served[here.id] == pytest.approx(crowd.served[away.id], abs=2 * SECOND)
