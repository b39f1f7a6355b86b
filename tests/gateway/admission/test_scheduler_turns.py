"""Whose turn it is: the rules of DESIGN.md, one by one, on the script alone."""

from __future__ import annotations

from tests.gateway.admission.scripted import ScriptedScheduler
from tests.gateway.admission.store_queue import ONE, SECOND, StoreQueue
from tests.oracle.ticket import Flow, Route

ANN, BOB, EVE = (Flow(f"f{n}", 1, 1, f"default {n}") for n in (1, 2, 3))


def test_an_unconfirmed_offer_goes_back_to_its_place_before_flows_that_came_later(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    running = queue.runs(Flow("f0", 1, 1))
    first, second, third = (queue.waits(flow) for flow in (ANN, BOB, EVE))
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [first]
    queue.now += 5 * SECOND
    queue.sync("R1")
    queue.now += 1
    queue.finish(first, queue.offers[-1][2])
    queue.finish(second, queue.offers[-1][2])
    assert [ticket for ticket, _, _ in queue.offers] == [first, first, second, third]


def test_a_flow_keeps_its_turn_when_tickets_in_front_of_its_own_are_dropped(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    running = queue.runs(BOB)
    for _ in range(4):
        queue.waits(ANN, budget=SECOND // 2, lead=0, test=False)
    mine = queue.waits(ANN, lead=1)
    queue.waits(EVE)
    queue.now += SECOND
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [mine]


def test_many_flows_that_are_dropped_do_not_hide_the_one_behind_them(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    running = queue.runs(BOB)
    for n in range(20):
        queue.waits(Flow(f"late{n}", 1, 1, "late"), budget=SECOND // 2, test=False)
    mine = queue.waits(ANN)
    queue.now += SECOND
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [mine]


def test_tickets_that_a_runner_cannot_serve_do_not_hide_those_behind_them(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.sync("R2", x1=0)
    running = queue.runs()
    for _ in range(40):
        queue.waits(replica="R2")
    mine = queue.waits()
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [mine]


def test_slots_that_a_leaving_replica_had_held_down_go_to_those_who_wait(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=2)
    queue.sync("R2", x1=1)
    queue.runs()
    waiting = queue.waits()
    queue.ask("leave", "R2")
    assert [ticket for ticket, _, _ in queue.offers] == [waiting]


def test_slots_that_a_forgotten_report_had_held_down_go_to_those_who_wait(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=2)
    queue.sync("R2", x1=1)
    queue.runs()
    waiting = queue.waits()
    queue.ask("forget_runner", "R2", "x1")
    assert [ticket for ticket, _, _ in queue.offers] == [waiting]


def test_what_a_dead_replica_had_in_line_counts_for_nobody_any_more(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.sync("R2", x1=1)
    lease = queue.runs()
    for _ in range(8):
        queue.waits(ANN, replica="R2")
    assert queue.submit(ANN, most_in_flow=8)[1][:2] == ["refused", "flow"]
    for _ in range(3):
        queue.now += 5 * SECOND
        queue.sync("R1", held=[lease])
    assert queue.submit(ANN, most_in_flow=8)[1][:2] == ["queued", 0]


def test_a_route_does_not_narrow_when_a_lease_on_it_is_taken_up_again(
    script: ScriptedScheduler,
) -> None:
    route = Route("r2", "p1", ("x1", "x2"))
    queue = StoreQueue(script)
    queue.sync("R1", x1=1, x2=1)
    lease = queue.runs(ANN, route)
    script.flush()
    queue.sync("R1", held=[lease], x1=1, x2=1)
    assert queue.runs(ANN, route)


def test_of_several_free_runners_the_one_with_the_least_load_for_each_slot_is_taken(
    script: ScriptedScheduler,
) -> None:
    route = Route("r2", "p1", ("x2", "x1"))
    queue = StoreQueue(script)
    queue.sync("R1", x1=6, x2=2)
    for _ in range(2):
        queue.runs(ANN, ONE)
    assert [queue.submit(ANN, route)[1][1] for _ in range(4)] == ["x2", "x1", "x2", "x1"]


def test_in_order_the_first_free_runner_is_taken_whatever_its_load(
    script: ScriptedScheduler,
) -> None:
    route = Route("r2", "p1", ("x2", "x1"))
    queue = StoreQueue(script)
    queue.sync("R1", x1=6, x2=2)
    taken = [queue.submit(ANN, route, in_order=True)[1][1] for _ in range(3)]
    assert taken == ["x2", "x2", "x1"]


def test_a_newcomer_does_not_overtake_those_that_one_call_could_not_serve(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.runs()
    waiting = [queue.waits(ANN, test=False) for _ in range(70)]
    queue.ask("set_runner", "R1", "x1", 80)
    assert [ticket for ticket, _, _ in queue.offers] == waiting[:64]
    assert queue.submit(BOB)[1][0] == "granted"
    assert [ticket for ticket, _, _ in queue.offers] == waiting
