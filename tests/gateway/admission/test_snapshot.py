"""The queue as it is shown to people: over all replicas, or this one's own without the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.admission.flow import flow_of
from gateway.admission.snapshot import snapshot_of
from gateway.admission.topology import Topology
from gateway.principal import ServiceClass
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually
from tests.gateway.admission.gates import a_ticket
from tests.gateway.admission.shared_gates import Stand, queue_up, stand_on

pytestmark = pytest.mark.anyio

LAB = replace(a_ticket(), flow=flow_of("lab", ServiceClass.INTERACTIVE, 3), cost_s=2.0)
BULK = replace(a_ticket(), flow=flow_of("bulk", ServiceClass.BATCH), cost_s=10.0)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    server = EmbeddedServer(tmp_path / "state")
    await server.start()
    try:
        async with stand_on(server) as stand:
            yield stand
    finally:
        await server.stop()


async def test_an_empty_store_is_an_empty_queue(stand: Stand) -> None:
    gate = await stand.replica(slots=2)
    seen = await gate.snapshot()
    (runner,) = seen.runners
    assert (runner.runner, runner.slots, runner.in_flight, runner.waiting) == ("a", 2, 0, 0)
    assert (seen.degraded, seen.replicas, seen.flows, seen.waiting) == (False, 1, (), 0)
    assert seen.predicted_wait_s == 0


async def test_every_replica_sees_what_all_have_and_want(stand: Stand) -> None:
    one, other = await stand.replica(slots=2), await stand.replica(slots=2)
    leases = [await one.admit(LAB), await other.admit(LAB)]
    tasks = [
        *queue_up(one, LAB, 2),
        *queue_up(other, LAB, 3),
        *queue_up(other, replace(BULK, wait_s=300.0), 1),
    ]
    await eventually(lambda: one.waiting("a") + other.waiting("a") == 6)
    for gate in (one, other):
        seen = await gate.snapshot()
        (runner,) = seen.runners
        assert (runner.slots, runner.in_flight, runner.waiting) == (2, 2, 6)
        assert (seen.replicas, seen.waiting) == (2, 6)
        lab, bulk = sorted(seen.flows, key=lambda flow: -flow.waiting)
        assert (lab.tenant, lab.service_class, lab.weight) == ("lab", "interactive", 12)
        assert (lab.waiting, lab.backlog_s) == (5, pytest.approx(10.0))
        assert (bulk.tenant, bulk.waiting, bulk.backlog_s) == ("bulk", 1, pytest.approx(10.0))
        assert 0 <= lab.oldest_s < 10
        # Fair queueing lets one of theirs go before a newcomer, beside the rest of those that run.
        assert 0 < seen.predicted_wait_s < 5
    for task in tasks:
        task.cancel()
    for lease in leases:
        lease.release()


async def test_a_runner_of_other_replicas_alone_is_shown_by_its_id(stand: Stand) -> None:
    one, other = await stand.replica(slots=1), await stand.replica(slots=1)
    other.know("b", "http://runner-b")
    other.set_slots("b", 4)
    await other.scheduler.pump()
    seen = {each.runner: each.slots for each in (await one.snapshot()).runners}
    assert seen == {"a": 1, other.topology.id("b"): 4}
    assert {each.runner for each in (await other.snapshot()).runners} == {"a", "b"}


async def test_two_names_of_one_process_are_both_shown_with_its_slots(stand: Stand) -> None:
    gate = await stand.replica(slots=1)
    gate.know("again", "http://runner-a")
    seen = (await gate.snapshot()).runners
    assert [(each.runner, each.slots) for each in seen] == [("a", 1), ("again", 1)]
    assert len({each.id for each in seen}) == 1


async def test_a_crowd_of_tenants_is_counted_in_whole_and_listed_in_part(stand: Stand) -> None:
    gate = await stand.replica(slots=1)
    lease = await gate.admit(LAB)
    tickets = [
        replace(LAB, flow=flow_of(f"t{n}", ServiceClass.DEFAULT), cost_s=0.001 + n / 1e6)
        for n in range(400)
    ]
    tasks = [task for ticket in tickets for task in queue_up(gate, ticket, 1)]
    await eventually(lambda: gate.waiting("a") == 400)
    seen = await gate.snapshot()
    assert (seen.waiting, len(seen.flows)) == (400, 128)
    assert seen.flows[0].tenant == "t399"
    # Too many to look at each: what all of them would take.
    assert seen.predicted_wait_s == pytest.approx(sum(each.cost_s for each in tickets), rel=0.01)
    for task in tasks:
        task.cancel()
    lease.release()


async def test_without_the_store_a_replica_shows_its_share_and_its_own_line(stand: Stand) -> None:
    gate = await stand.replica(slots=2)
    await stand.replica(slots=2)
    await gate.scheduler.sync([], [], [])
    await eventually(lambda: gate.replicas == 2, within_s=5)
    held = await gate.admit(LAB)
    await stand.server.stop()
    await eventually(lambda: gate.degraded)
    tasks = queue_up(gate, LAB, 2) + queue_up(gate, BULK, 1)
    await eventually(lambda: gate.waiting("a") == 3)
    seen = await gate.snapshot()
    assert (seen.degraded, seen.replicas, seen.waiting) == (True, 2, 3)
    (runner,) = seen.runners
    assert (runner.slots, runner.in_flight, runner.waiting) == (1, 1, 3)
    bulk, lab = seen.flows
    assert (bulk.tenant, bulk.waiting, bulk.backlog_s) == ("bulk", 1, 10.0)
    assert (lab.tenant, lab.weight, lab.waiting, lab.backlog_s) == ("lab", 12, 2, 4.0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (await gate.snapshot()).flows == ()
    held.release()


async def test_a_replica_that_is_to_refuse_without_the_store_shows_no_slots(stand: Stand) -> None:
    gate = await stand.replica(slots=2, closed=True)
    await stand.server.stop()
    await eventually(lambda: gate.degraded)
    (runner,) = (await gate.snapshot()).runners
    assert runner.slots == 0


async def test_a_look_that_is_given_up_leaves_the_gate_as_it_was(stand: Stand) -> None:
    gate = await stand.replica(slots=1)
    look = asyncio.create_task(gate.snapshot())
    await asyncio.sleep(0)
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    (await gate.admit(LAB)).release()
    assert (await gate.snapshot()).runners[0].slots == 1


def test_lines_of_one_flow_are_one_and_the_longest_comes_first() -> None:
    def line(flow: str, label: str, waiting: int, backlog: int, oldest: int) -> str:
        return (
            f'{{"flow":"{flow}","label":"{label}","weight":1,"waiting":{waiting},'
            f'"backlog":{backlog},"oldest":{oldest}}}'
        )

    lines = [
        line("f1", "default lab", 1, 1_000_000, 9_000_000),
        line("f2", "batch a b", 2, 5_000_000, 1_000_000),
        line("f1", "default lab", 3, 2_500_000, 2_000_000),
    ]
    state = (
        f'{{"replicas":1,"runners":{{}},"lines":[{",".join(lines)}],"waiting":6,"waits":[1,2e6]}}'
    )
    seen = snapshot_of(state.encode(), Topology())
    assert [(each.tenant, each.waiting, each.backlog_s, each.oldest_s) for each in seen.flows] == [
        ("a b", 2, 5.0, 1.0),
        ("lab", 4, 3.5, 9.0),
    ]
    assert (seen.runners, seen.predicted_wait_s) == ((), 2.0)
