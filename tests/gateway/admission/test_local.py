"""The gate of one replica: waiting, giving up, running out of time, and being refused."""

from __future__ import annotations

import asyncio

import pytest

from gateway.admission import Ticket
from gateway.admission.base import PolicyName
from gateway.errors import Overloaded
from tests.gateway.admission.gates import Clock, a_gate, a_ticket, in_line, refused, settle

pytestmark = pytest.mark.anyio


async def test_a_free_slot_is_granted_without_suspending() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    attempt = gate.admit(a_ticket())
    with pytest.raises(StopIteration) as stop:
        attempt.send(None)
    assert stop.value.value.runner == "a"
    assert gate.in_flight("a") == 1


async def test_fifty_callers_are_served_in_the_order_of_their_coming() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    served: list[int] = []

    async def caller(number: int) -> None:
        lease = await gate.admit(a_ticket())
        assert gate.in_flight("a") == 1
        await asyncio.sleep(0)
        served.append(number)
        lease.release()

    await asyncio.gather(*(caller(number) for number in range(50)))
    assert served == list(range(50))
    assert gate.in_flight("a") == gate.waiting("a") == gate.waiting_total == 0


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    first, second = [await in_line(gate, a_ticket()) for _ in range(2)]
    first.cancel()
    await settle()
    assert first.cancelled()
    assert gate.waiting("a") == gate.waiting_total == 1
    holder.release()
    assert (await second).runner == "a"


async def test_a_waiter_cancelled_in_the_turn_of_its_grant_passes_the_slot_on() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    first, second = [await in_line(gate, a_ticket()) for _ in range(2)]
    holder.release()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).runner == "a"
    assert gate.in_flight("a") == 1


async def test_a_slot_is_not_granted_to_a_waiter_cancelled_before_it_came_back() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    first, second = [await in_line(gate, a_ticket()) for _ in range(2)]
    first.cancel()
    holder.release()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).runner == "a"


async def test_the_last_waiter_cancelled_in_the_turn_of_its_grant_leaves_a_free_slot() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    waiter = await in_line(gate, a_ticket())
    holder.release()
    waiter.cancel()
    await settle()
    assert waiter.cancelled()
    assert gate.in_flight("a") == 0


async def test_a_crowd_that_leaves_in_one_turn_does_not_exhaust_the_stack() -> None:
    gate = a_gate(max_waiting=5000)
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket(max_waiting=5000))
    crowd = [asyncio.create_task(gate.admit(a_ticket(max_waiting=5000))) for _ in range(2000)]
    last = asyncio.create_task(gate.admit(a_ticket(max_waiting=5000)))
    await settle()
    for task in crowd:
        task.cancel()
    holder.release()
    assert (await last).runner == "a"
    assert gate.waiting_total == 0
    assert gate.in_flight("a") == 1


async def test_slots_that_nobody_used_do_not_shorten_the_predicted_wait() -> None:
    clock = Clock()
    gate = a_gate(clock=clock)
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket(max_waiting=30))
    crowd = [await in_line(gate, a_ticket(max_waiting=30)) for _ in range(30)]
    clock.now += 8.0
    before = await refused(gate, a_ticket(max_waiting=0))
    for task in crowd:
        task.cancel()
    holder.release()  # the only one that held a slot, for 8 s
    await settle()
    assert before.retry_after_s == pytest.approx(60.0)  # 30 waiters of 2 s each, which was a guess
    clock.now += 100.0
    gate.set_slots("a", 0)
    after = await refused(gate, a_ticket(max_waiting=0))
    assert after.retry_after_s == pytest.approx(8.0)


async def test_waiting_too_long_ends_in_overloaded_and_leaves_nothing_behind() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    error = await refused(gate, a_ticket(wait_s=0.02))
    assert error.status == 503
    assert error.code == "overloaded"
    assert "no slot became free within 0.02 s" in error.message
    assert error.retry_after_s is not None
    assert 1.0 <= error.retry_after_s <= 60.0
    assert gate.waiting("a") == gate.waiting_total == 0
    holder.release()
    assert gate.in_flight("a") == 0


async def test_a_slot_that_comes_back_in_the_turn_of_a_time_out_is_not_lost() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    holder = await gate.admit(a_ticket())
    waiter = await in_line(gate, a_ticket(wait_s=0.01))
    with pytest.raises(Overloaded):
        await waiter
    holder.release()
    assert gate.in_flight("a") == 0
    assert (await gate.admit(a_ticket(wait_s=0.01))).runner == "a"


async def test_a_ticket_with_no_time_left_still_takes_a_free_slot() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    assert (await gate.admit(a_ticket(wait_s=0.0))).runner == "a"


async def test_a_full_queue_refuses_at_once() -> None:
    gate = a_gate(max_waiting=2)
    gate.set_slots("a", 1)
    await gate.admit(a_ticket())
    waiting = [await in_line(gate, a_ticket()) for _ in range(2)]
    error = await refused(gate, a_ticket())
    assert "the queue is full" in error.message
    assert "2 waiting for 1 slot)" in error.message
    assert gate.waiting_total == 2
    for task in waiting:
        task.cancel()
    await settle()
    await in_line(gate, a_ticket(wait_s=0.01))


async def test_one_model_cannot_fill_the_whole_queue() -> None:
    gate = a_gate(max_waiting=100)
    gate.set_slots("a", 1)
    await gate.admit(a_ticket())
    await in_line(gate, a_ticket(max_waiting=1))
    await refused(gate, a_ticket(max_waiting=1))
    other = await in_line(gate, Ticket("another model", ("a",), 30.0, 1))
    other.cancel()


async def test_a_lease_released_twice_frees_one_slot() -> None:
    gate = a_gate()
    gate.set_slots("a", 2)
    first, second = await gate.admit(a_ticket()), await gate.admit(a_ticket())
    first.release()
    first.release()
    assert gate.in_flight("a") == 1
    second.release()
    assert gate.in_flight("a") == 0


async def test_callers_wait_while_a_runner_loads_and_go_on_when_it_is_ready() -> None:
    gate = a_gate()
    gate.set_slots("a", 2)
    gate.set_slots("a", 0)
    tasks = [await in_line(gate, a_ticket()) for _ in range(3)]
    gate.set_slots("a", 2)
    leases = await asyncio.gather(*tasks[:2])
    assert not tasks[2].done()
    assert gate.in_flight("a") == 2
    leases[0].release()
    await tasks[2]


async def test_losing_all_slots_takes_none_from_those_that_run() -> None:
    gate = a_gate()
    gate.set_slots("a", 2)
    running = [await gate.admit(a_ticket()) for _ in range(2)]
    gate.set_slots("a", 0)
    waiter = await in_line(gate, a_ticket())
    for lease in running:
        lease.release()
    await settle()
    assert not waiter.done()
    gate.set_slots("a", 1)
    assert (await waiter).runner == "a"


async def test_a_ticket_takes_the_first_slot_that_any_of_its_runners_has() -> None:
    gate = a_gate()
    gate.set_slots("a", 1)
    gate.set_slots("b", 1)
    await gate.admit(a_ticket("a"))
    on_b = await gate.admit(a_ticket("b"))
    waiter = await in_line(gate, a_ticket("a", "b"))
    assert gate.waiting("a") == gate.waiting("b") == 1
    on_b.release()
    assert (await waiter).runner == "b"
    assert gate.waiting("a") == gate.waiting("b") == 0


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("least_loaded", ["a", "b", "a", "b"]), ("ordered", ["a", "a", "b", "b"])],
)
async def test_the_policy_chooses_among_free_runners(
    policy: PolicyName, expected: list[str]
) -> None:
    gate = a_gate()
    gate.set_slots("a", 2)
    gate.set_slots("b", 2)
    ticket = a_ticket("a", "b", policy=policy)
    assert [(await gate.admit(ticket)).runner for _ in range(4)] == expected


async def test_a_forgotten_runner_grants_nothing_and_is_gone_after_its_last_lease() -> None:
    gate = a_gate()
    gate.set_slots("a", 2)
    lease = await gate.admit(a_ticket())
    gate.forget("a")
    waiter = await in_line(gate, a_ticket(wait_s=0.05))
    lease.release()
    assert gate.in_flight("a") == 0
    with pytest.raises(Overloaded):
        await waiter
    assert not gate._queue._lines


async def test_fifty_refusals_are_spread_over_time() -> None:
    gate = a_gate(clock=Clock())
    gate.set_slots("a", 2)
    for _ in range(2):
        await gate.admit(a_ticket())
    waits = [(await refused(gate, a_ticket(max_waiting=0))).retry_after_s for _ in range(50)]
    # Two slots that are held for 2 s each: one comes back every second.
    assert waits == pytest.approx([float(place) for place in range(1, 51)])


async def test_refused_callers_are_told_to_stay_away_for_a_minute_at_most() -> None:
    gate = a_gate(clock=Clock())
    gate.set_slots("a", 1)
    await gate.admit(a_ticket())
    waits = [(await refused(gate, a_ticket(max_waiting=0))).retry_after_s for _ in range(100)]
    assert waits[-1] == 60.0
