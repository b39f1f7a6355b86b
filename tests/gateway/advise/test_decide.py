from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.advise.decide import decide
from gateway.advise.decision import Sureness, Verdict
from gateway.advise.facts import Facts, Step, Wish
from gateway.advise.use import Use
from tests.gateway.advise.made import GPU_BOX, LAPTOP, MAC, engine, facts


def test_one_user_stays() -> None:
    decision = decide(facts(engine(users=(1,))), Wish())
    assert decision.verdict is Verdict.STAY
    assert decision.backend == "ollama"
    assert decision.users == 1
    assert not decision.changes


def test_who_stays_keeps_the_slots_there_are_however_few_were_used() -> None:
    alone = replace(engine("vllm", (1,)), slots=16)
    decision = decide(facts(alone), Wish())
    assert decision.verdict is Verdict.STAY
    assert decision.plan is not None
    assert decision.plan.slots == 16


def test_ten_users_on_one_slot_are_queued_within_a_budget_that_holds_them() -> None:
    decision = decide(facts(engine(users=(1, 5, 10))), Wish())
    assert decision.verdict is Verdict.GRAY_ZONE
    assert decision.plan is not None
    assert (decision.plan.slots, decision.plan.queue_s) == (1, 45)
    assert decision.carries_users == 10
    assert "with 60 s it would be 13" in decision.headline
    assert any("class batch" in note for note in decision.plan.notes)
    assert decision.plan.max_waiting >= 10


def test_fifty_users_on_one_slot_move() -> None:
    decision = decide(facts(engine(users=(1, 10, 50)), hardware=GPU_BOX), Wish())
    assert decision.verdict is Verdict.MOVE
    assert decision.backend == "vllm"
    assert decision.plan is not None
    assert decision.plan.url == "http://127.0.0.1:8000"
    assert {change.area for change in decision.changes} >= {"names", "model count"}


def test_fifty_users_who_read_for_two_minutes_need_not_move() -> None:
    decision = decide(facts(engine(users=(1, 10, 50))), Wish(think_s=120))
    assert decision.verdict is Verdict.GRAY_ZONE


def test_answers_cut_short_are_a_reason_for_a_queue_even_when_fast() -> None:
    fast = engine("llama-cpp-python", (1, 5), shared_s=0.2)
    broken = replace(fast.raw[1], broken=40)
    decision = decide(facts(replace(fast, raw=(fast.raw[0], broken))), Wish())
    assert decision.verdict is Verdict.GRAY_ZONE
    assert any("40 broken off" in line for line in decision.figures)


def test_more_slots_of_the_same_backend_come_before_a_move() -> None:
    one = engine("llamacpp", (1, 10, 50), told=True, name="llama-server, 1 slot")
    four = engine(
        "llamacpp", (1, 10, 50), slots=4, own_s=0.02, told=True, name="llama-server, 4 slots"
    )
    other = engine("vllm", (1, 10, 50), slots=16, own_s=0.01, told=True)
    decision = decide(facts(one, four, other), Wish(users=30))
    assert decision.verdict is Verdict.GRAY_ZONE
    assert decision.plan is not None
    assert decision.plan.slots == 4


def test_an_engine_that_was_measured_to_carry_it_is_where_to_move() -> None:
    better = engine("vllm", (1, 10, 50), slots=16, own_s=0.01, told=True)
    decision = decide(facts(engine(users=(1, 10, 50)), better), Wish())
    assert decision.verdict is Verdict.MOVE
    assert decision.plan is not None
    assert decision.plan.slots == 16
    assert decision.carries_users is not None
    assert decision.carries_users >= 50
    assert decision.sureness is Sureness.SURE


def test_a_mac_is_not_sent_to_vllm() -> None:
    decision = decide(facts(engine(users=(1, 50)), hardware=MAC), Wish())
    assert decision.backend == "llamacpp"
    assert decision.sureness is not Sureness.SURE


def test_without_a_gpu_vllm_is_to_run_elsewhere_and_nobody_claims_to_have_measured_it() -> None:
    decision = decide(facts(engine(users=(1, 50)), hardware=LAPTOP), Wish())
    assert decision.plan is not None
    assert decision.plan.url == "http://gpu-a:8000"
    assert decision.carries_users is None
    assert decision.measure_next


def test_vllm_that_is_overloaded_gets_a_second_one() -> None:
    busy = engine("vllm", (1, 10, 100), slots=4, told=True)
    decision = decide(facts(busy), Wish())
    assert decision.verdict is Verdict.MOVE
    assert decision.backend == "vllm"
    assert not decision.changes


def test_a_model_too_large_for_the_gpu_is_told() -> None:
    current = replace(engine(users=(1, 50)), upstream_model="llama3:70b")
    decision = decide(facts(current, hardware=GPU_BOX), Wish())
    assert decision.plan is not None
    assert any("quantised" in note for note in decision.plan.notes)
    assert decision.sureness is Sureness.NOT_SURE


def test_a_runner_too_slow_for_one_reader_is_no_case_for_a_queue() -> None:
    decision = decide(facts(engine(users=(1,), shared_s=50.0)), Wish())
    assert decision.verdict is Verdict.MOVE
    assert "slower than 5 tokens/s" in decision.headline


def test_far_beyond_what_was_measured_it_is_not_sure() -> None:
    decision = decide(facts(engine(users=(1, 5))), Wish(users=11))
    assert decision.sureness is Sureness.NOT_SURE
    assert "sluicegate bench --users 11" in decision.measure_next


def test_a_poor_fit_is_told() -> None:
    odd = engine("vllm", (1, 4, 8), slots=8, told=True)
    wild = replace(odd.raw[1], completed=odd.raw[1].completed * 5)
    decision = decide(facts(replace(odd, raw=(odd.raw[0], wild, odd.raw[2]))), Wish(users=20))
    assert any("off on average" in doubt.text for doubt in decision.doubts)


@pytest.mark.parametrize(
    "nothing",
    [(), (Step(users=5, duration_s=60, completed=0, broken=9),), (Step(5, 60, 2),)],
    ids=["no steps", "no answers", "two answers"],
)
def test_too_little_gives_no_decision_and_says_what_to_measure(nothing: tuple[Step, ...]) -> None:
    known: Facts = facts(replace(engine(), raw=nothing))
    decision = decide(known, Wish())
    assert decision.verdict is Verdict.UNKNOWN
    assert decision.plan is None
    assert decision.measure_next


def test_what_the_requests_use_decides_which_changes_are_told() -> None:
    known = facts(engine(users=(1, 50)), hardware=GPU_BOX, uses=frozenset({Use.TOOLS}))
    decision = decide(known, Wish())
    areas = {change.area for change in decision.changes}
    assert "tools" in areas
    assert "images" not in areas
    assert decision.plan is not None
    assert decision.plan.start is not None
    assert "--enable-auto-tool-choice" in decision.plan.start
