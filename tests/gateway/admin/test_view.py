"""Which numbers of a runner are shown: those of all replicas, or those of this one."""

from __future__ import annotations

from gateway.admin.view import flow_shown, runners_shown
from gateway.admission.snapshot import FlowLoad, RunnerLoad
from tests.gateway.routing.runners import a_runner, ready


def test_slots_are_shown_over_all_replicas_beside_what_is_here() -> None:
    runner = a_runner("laptop", pinned=2)
    runner.observe(ready("m"))
    runner.in_flight = 1
    (shown,) = runners_shown([runner], [RunnerLoad("laptop", "x1", 2, 2, 9)], {"laptop": 4})
    assert (shown.name, shown.id, shown.state) == ("laptop", "x1", "ready")
    assert (shown.slots, shown.in_flight, shown.waiting) == (2, 2, 9)
    assert (shown.in_flight_here, shown.waiting_here) == (1, 4)


def test_an_unlimited_runner_is_counted_by_whoever_sends() -> None:
    runner = a_runner("box", pinned="unlimited")
    runner.in_flight = 7
    (shown,) = runners_shown([runner], [RunnerLoad("box", "x1", 1, 0, 0)], {"box": 0})
    assert (shown.slots, shown.in_flight) == (None, 7)


def test_a_runner_that_the_store_does_not_know_yet_has_no_slots() -> None:
    (shown,) = runners_shown([a_runner("new")], [], {"new": 0})
    assert (shown.slots, shown.in_flight, shown.id) == (0, 0, "")


def test_runners_of_other_replicas_alone_come_last_by_their_id() -> None:
    loads = [RunnerLoad("0f0f", "0f0f", 3, 1, 2), RunnerLoad("laptop", "x1", 1, 0, 0)]
    ours, theirs = runners_shown([a_runner("laptop")], loads, {"laptop": 0})
    assert ours.name == "laptop"
    assert (theirs.name, theirs.backend, theirs.state) == ("0f0f", None, None)
    assert (theirs.slots, theirs.in_flight, theirs.waiting) == (3, 1, 2)


def test_text_that_others_made_up_is_cut() -> None:
    flow = flow_shown(FlowLoad("t" * 10_000, "default", 1, 2, 1.23456, 0.98765))
    assert len(flow.tenant) == 200
    assert (flow.backlog_s, flow.oldest_s) == (1.235, 0.988)
