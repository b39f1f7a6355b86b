"""Who is refused, when, and what it is told: rules 8 to 10 on the script alone."""

from __future__ import annotations

import pytest

from tests.gateway.admission.scripted import PREFIX, ScriptedScheduler
from tests.gateway.admission.store_queue import LAB, SECOND, StoreQueue
from tests.oracle.ticket import Flow

OTHER = Flow("f2", 1, 1, "default other")
CRITICAL = Flow("f0", 0, 1, "critical ops")


def test_a_full_flow_is_told_so_and_others_are_not_kept_out(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs()
    queue.waits(most_in_flow=1)
    assert queue.submit(most_in_flow=1)[1][:2] == ["refused", "flow"]
    assert queue.submit(OTHER, most_in_flow=1)[1][0] == "queued"


def test_a_full_route_refuses_everybody(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs()
    queue.waits(most_in_route=1)
    assert queue.submit(OTHER, most_in_route=1)[1][:2] == ["refused", "full"]


def test_who_would_wait_longer_than_it_may_is_refused_at_once(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs(cost=4 * SECOND)
    for _ in range(5):
        queue.waits(cost=4 * SECOND)
    _, reply = queue.submit(cost=4 * SECOND, budget=20 * SECOND)
    # Five of four seconds each, and the mean rest of the one that runs: a whole one, as its length
    # is taken to vary as widely as that of an exponential.
    assert reply == ["refused", "wait", 18 * SECOND, 24 * SECOND, 5]
    assert queue.submit(cost=4 * SECOND, budget=24 * SECOND)[1][0] == "queued"


@pytest.mark.parametrize("flows", [3, 40])
def test_the_tickets_of_all_flows_whose_turn_comes_first_are_waited_for(
    script: ScriptedScheduler, flows: int
) -> None:
    queue = StoreQueue(script)
    queue.runs()
    for n in range(flows):
        queue.waits(Flow(f"first{n}", 1, 1, "first"), cost=2 * SECOND, budget=600 * SECOND)
    for n in range(flows):
        queue.waits(Flow(f"last{n}", 2, 1, "batch"), cost=2 * SECOND, budget=600 * SECOND)
    _, reply = queue.submit(Flow("late", 1, 1, "late"), budget=600 * SECOND)
    assert reply[2] == (1 + 2 * flows) * SECOND


def test_what_is_brought_back_is_not_tested(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs(cost=60 * SECOND)
    assert queue.submit(cost=SECOND, budget=SECOND)[1][0] == "refused"
    queue.waits(cost=SECOND, budget=SECOND, most_in_flow=0, most_in_route=0, test=False)


def test_a_ticket_that_has_become_hopeless_is_refused_before_its_time(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.runs()
    ticket = queue.waits(budget=20 * SECOND)
    for _ in range(40):
        queue.waits(CRITICAL)
    queue.now += SECOND
    queue.ask("pump")
    assert queue.refusals == [ticket]
    assert queue.ask("cancel", ticket, 0)[0] == "unknown"


def test_refused_callers_are_told_to_come_back_one_service_time_after_another(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script, slots=2)
    queue.runs()
    queue.runs()
    after = [queue.submit(most_in_flow=0, cost=4 * SECOND)[1][2] for _ in range(5)]
    assert after == [2 * SECOND * n for n in range(1, 6)]


def test_nobody_is_told_to_come_back_sooner_than_a_second_or_later_than_a_minute(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.runs()
    after = [queue.submit(most_in_flow=0, cost=SECOND // 2)[1][2] for _ in range(200)]
    assert after[0] == SECOND
    assert after[-1] == 60 * SECOND
    assert after == sorted(after)


def test_a_refusal_that_nobody_will_hear_of_books_no_place(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs()
    assert queue.submit(most_in_flow=0, books=False)[1][2] == 0
    assert queue.submit(most_in_flow=0)[1][2] == SECOND


@pytest.mark.parametrize(("early", "position"), [(False, 0), (True, 1)])
def test_who_comes_again_when_it_was_told_to_goes_before_whoever_came_in_between(
    script: ScriptedScheduler, early: bool, position: int
) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    _, refused = queue.submit(most_in_flow=0, retry="again", cost=4 * SECOND)
    queue.now += SECOND
    queue.waits()
    queue.now += refused[2] // 2 if early else refused[2]
    queue.sync("R1", held=[running])
    assert queue.submit(retry="again", patience=1)[1][:2] == ["queued", position]


@pytest.mark.parametrize(("early", "may_wait"), [(False, 180 * SECOND), (True, 60 * SECOND)])
def test_who_comes_again_when_it_was_told_to_may_wait_longer(
    script: ScriptedScheduler, early: bool, may_wait: int
) -> None:
    queue = StoreQueue(script)
    running = queue.runs()
    _, refused = queue.submit(most_in_flow=0, retry="again", cost=4 * SECOND)
    queue.now += refused[2] // 2 if early else refused[2]
    queue.sync("R1", held=[running])
    _, reply = queue.submit(retry="again", patience=180 * SECOND)
    assert reply[0] == "queued"
    assert reply[4] - reply[6] == may_wait


def test_what_runs_counts_against_a_newcomer_but_not_against_who_waits(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.runs(cost=8 * SECOND)
    assert queue.submit(budget=2 * SECOND)[1][:2] == ["refused", "wait"]
    assert queue.submit(budget=3 * SECOND)[1][0] == "queued"
    queue.now += 2 * SECOND
    queue.ask("pump")
    assert queue.refusals == []


def test_who_does_not_come_again_is_forgotten(script: ScriptedScheduler) -> None:
    queue = StoreQueue(script)
    queue.runs()
    for n in range(30):
        queue.submit(most_in_flow=0, retry=f"never {n}")
    assert script.client.hlen(f"{PREFIX}:retry") == 30
    queue.now += 300 * SECOND
    queue.ask("pump")
    assert queue.stored().isdisjoint({"retry", "retryx"})


def test_explicit_deadlines_go_by_slack_and_others_by_their_coming(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    running = queue.runs(OTHER)
    first = queue.waits(LAB)
    second = queue.waits(LAB)
    pressed = queue.waits(LAB, lead=30 * SECOND)
    for _ in range(3):
        queue.finish(*running)
        ticket, _, fence = queue.offers[-1]
        running = ticket, fence
    assert [ticket for ticket, _, _ in queue.offers] == [pressed, first, second]


def test_a_ticket_whose_client_gave_up_in_line_is_told_when_to_come_again(
    script: ScriptedScheduler,
) -> None:
    queue = StoreQueue(script)
    queue.runs()
    left, expired = queue.waits(), queue.waits()
    assert queue.ask("cancel", left, 0) == ["cancelled", 0]
    assert queue.ask("cancel", expired, 1) == ["cancelled", 31 * SECOND]
    assert queue.ask("cancel", expired, 1) == ["unknown", SECOND]
