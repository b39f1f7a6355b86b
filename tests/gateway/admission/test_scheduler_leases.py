"""Slots are leases: who may hold them, how they end, and what a store that forgot gets back."""

from __future__ import annotations

from tests.gateway.admission.scripted import PREFIX, ScriptedScheduler
from tests.gateway.admission.store_queue import LAB, ONE, SECOND, StoreQueue
from tests.gateway.admission.stored import script_state
from tests.oracle.ticket import Flow, Route

OTHER = Flow("f2", 1, 1, "default other")


def test_a_late_finish_with_an_old_fence_changes_nothing(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    ticket = queue.waits()
    queue.finish(*running)
    old = queue.offers[-1][2]
    queue.now += 5 * SECOND
    queue.sync("R1")
    assert [each[0] for each in queue.offers] == [ticket, ticket]
    before = script_state(script.client)
    assert queue.finish(ticket, old, 50 * SECOND) == "stale"
    assert queue.finish(*running, 50 * SECOND) == "stale"
    assert script_state(script.client) == before


def test_the_same_ticket_submitted_twice_has_one_slot(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script, slots=2)
    first = queue.submit(ticket="twice")
    assert queue.submit(ticket="twice") == first
    assert queue.in_flight() == 1


def test_the_same_ticket_submitted_twice_has_one_place(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    first = queue.submit(ticket="twice")
    queue.now += SECOND
    assert queue.submit(ticket="twice") == first
    queue.finish(*running)
    assert queue.submit(ticket="twice")[1][:2] == ["granted", "x1"]
    queue.finish("twice", queue.offers[-1][2])
    assert len(queue.offers) == 1


def test_a_ticket_whose_time_is_over_is_never_dispatched(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    queue.waits(budget=SECOND, test=False)
    in_time = queue.waits(OTHER)
    queue.now += SECOND + 1
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [in_time]


def test_a_killed_replica_gives_its_slots_back_within_a_lease(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script, slots=2)
    queue.sync("R2", x1=2)
    queue.runs(replica="R2")
    queue.runs(replica="R2")
    waiting = [queue.waits(), queue.waits()]
    for _ in range(5):
        queue.now += 2 * SECOND
        queue.sync("R1")
    assert [ticket for ticket, _, _ in queue.offers] == waiting


def test_a_replica_that_is_silent_is_offered_nothing(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.sync("R2", x1=1)
    running = queue.runs()
    queue.waits(replica="R2")
    mine = queue.waits()
    for _ in range(4):
        queue.now += 2 * SECOND
        queue.sync("R1", held=[running])
    queue.finish(*running)
    assert [ticket for ticket, _, _ in queue.offers] == [mine]


def test_what_a_stalled_replica_held_is_all_that_can_be_too_much(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=2)
    queue.sync("R2", x1=2)
    held = [queue.runs(replica="R2"), queue.runs(replica="R2")]
    for _ in range(3):
        queue.waits()
    for _ in range(6):
        queue.now += 2 * SECOND
        queue.sync("R1", held=[(ticket, fence) for ticket, _, fence in queue.offers])
    assert queue.in_flight() == len(queue.offers) == 2
    _, _, lost, unknown, _ = queue.sync("R2", held=held)
    assert (lost, unknown) == ([], [])
    assert queue.in_flight() == 4
    for ticket, fence in held:
        assert queue.finish(ticket, fence) == "finished"
    assert len(queue.offers) == 2
    queue.finish(queue.offers[0][0], queue.offers[0][2])
    assert len(queue.offers) == 3
    assert queue.in_flight() == 2


def test_lowered_slots_take_nothing_away_and_grant_nothing(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script, slots=2)
    first, second = queue.runs(), queue.runs()
    assert queue.ask("set_runner", "R1", "x1", 1) == [1, 2]
    waiting = queue.waits()
    queue.finish(*first)
    assert queue.offers == []
    queue.finish(*second)
    assert queue.offers[0][0] == waiting


def test_slots_are_the_least_that_a_replica_reports_which_can_use_the_runner(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=4)
    queue.sync("R2", x1=2)
    queue.sync("R3", x1=0)
    assert queue.ask("set_runner", "R1", "x1", 4) == [2, 0]
    assert queue.submit(replica="R3")[1][0] == "queued"
    assert queue.submit(OTHER, replica="R2")[1][0] == "granted"


def test_a_store_that_forgot_everything_gets_leases_back_and_lines_in_their_order(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.sync("R2", x1=1)
    running = queue.runs()
    came: list[tuple[str, str, int, int]] = []
    for n in range(8):
        queue.now += SECOND
        replica = "R1" if n % 2 else "R2"
        ticket, reply = queue.submit(replica=replica)
        came.append((replica, ticket, reply[5], queue.now))
    script.flush()
    queue.now += SECOND
    for replica in ("R2", "R1"):
        mine = [each for each in came if each[0] == replica]
        held = [running] if replica == "R1" else []
        reply = queue.sync(replica, held=held, waiting=[each[1] for each in mine], x1=1)
        assert reply[3] == [each[1] for each in mine]
    for replica, ticket, order, at in sorted(came):
        age = queue.now - at
        queue.submit(ticket=ticket, replica=replica, order=order, age=age, test=False)
    for _ in came:
        queue.finish(*running)
        running = queue.offers[-1][0], queue.offers[-1][2]
    assert [ticket for ticket, _, _ in queue.offers] == [each[1] for each in came]


def test_what_a_store_that_went_back_in_time_has_of_a_replica_is_over(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=2)
    running, over = queue.runs(), queue.runs()
    waiting, served_long_ago = queue.waits(), queue.waits()
    queue.sync("R1", held=[running], waiting=[waiting], afresh=True)
    assert queue.in_flight() == 2
    assert [ticket for ticket, _, _ in queue.offers] == [waiting]
    assert queue.ask("cancel", served_long_ago, 0)[0] == "unknown"
    assert queue.finish(*over) == "stale"
    assert queue.finish(*running) == "finished"


def test_a_lease_on_a_runner_that_nobody_reports_ends_by_itself(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    lease = queue.runs()
    script.flush()
    queue.sync("R2", held=[lease])
    queue.now += 10 * SECOND
    queue.ask("pump")
    queue.ask("pump")
    assert queue.stored() == {"meta", "replicas"}


def test_when_everything_has_ended_nothing_is_left(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script, slots=2)
    for n in range(40):
        queue.submit(Flow(f"f{n % 3}", n % 3, 1 + n % 2, "x"), replica="R1", test=False)
    finished = 0
    running = [("t00001", 1), ("t00002", 2)]
    while running:
        queue.finish(*running.pop(0))
        running += [(ticket, fence) for ticket, _, fence in queue.offers[finished:]]
        finished = len(queue.offers)
    assert finished == 38
    idle = {f"idle:p1:{rank}" for rank in range(3)}
    flows = {"flow", "routes", "v", "tail", *idle}
    assert queue.stored() - flows <= {"meta", "replicas", "runners", "slots", "fit:x1", "stat:p1"}


def test_ids_and_labels_may_hold_anything(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    hostile = "a:b\r\n$1\r\n*?[x]\0{sg} é🦙 '\"\\" + "x" * 5000
    running = queue.runs(Flow("f1", 1, 1, hostile), ticket=hostile, retry=hostile)
    waiting = queue.waits(Flow("f1", 1, 1, hostile), ticket=hostile + "2", retry=hostile)
    state = queue.script.state(queue.now)
    assert state["lines"][0]["label"] == hostile
    assert queue.finish(*running) == "finished"
    assert [ticket for ticket, _, _ in queue.offers] == [waiting]
    assert all(key.startswith(PREFIX.encode()) for key in script.client.keys("*"))


def test_a_free_slot_on_any_runner_of_a_route_is_taken(script: ScriptedScheduler) -> None:
    both = Route("r2", "p1", ("x1", "x2"))
    queue = StoreQueue(script)
    queue.sync("R1", x1=1, x2=2)
    runners = [queue.submit(LAB, both)[1][1] for _ in range(3)]
    assert sorted(runners) == ["x1", "x2", "x2"]
    elsewhere = queue.waits(LAB, ONE)
    anywhere = queue.waits(OTHER, both)
    queue.finish("t00002", 2)
    queue.finish("t00001", 1)
    assert [each[:2] for each in queue.offers] == [(anywhere, "x2"), (elsewhere, "x1")]
