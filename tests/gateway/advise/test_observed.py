from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.advise.decide import decide
from gateway.advise.decision import Verdict
from gateway.advise.facts import Wish
from gateway.advise.observation import NothingSeen, Observation
from gateway.advise.observed import facts_from
from gateway.advise.scrape import Histogram, PairReading, Reading
from gateway.advise.use import Use

PAIR = ("llama3", "ollama")


def reading(answered: int, *, waiting: float = 0, in_flight: float = 1, **over: Any) -> Reading:
    """A gateway whose only runner holds each request for 3 s, after a wait of `wait_s`."""
    wait_s = over.pop("wait_s", 0.0)
    ends = float("inf")
    pair = PairReading(
        wait=Histogram(((ends, float(answered)),), wait_s * answered),
        first_token=Histogram(((1.0, float(answered)), (ends, float(answered))), 0.2 * answered),
        token_gap=Histogram(((ends, 100.0 * answered),), 3.0 * answered),
        duration=Histogram(((ends, float(answered)),), (wait_s + 3.0) * answered),
        tokens_out=100.0 * answered,
        by_status={"200": float(answered), **over.pop("by_status", {})},
        ignored=frozenset({"think"}),
    )
    known = {"laptop": in_flight}
    slots = over.pop("slots", {"laptop": 1.0})
    return Reading({PAIR: pair}, known, {"laptop": waiting}, slots, **over)


def observation(*readings: Reading) -> Observation:
    card = {"id": "llama3", "backend": "ollama", "context_length": 8192}
    return Observation("http://127.0.0.1:8080", 10.0, readings, (card,))


def test_a_busy_gateway_tells_its_service_time_slots_and_people() -> None:
    seen = observation(reading(100), reading(140, waiting=9, wait_s=20.0))
    facts = facts_from(seen)
    (step,) = facts.current.queued
    assert step.users == 10
    assert step.completed == 40
    assert step.per_s == pytest.approx(1 / 3, rel=0.3)
    assert facts.current.runner == "laptop"
    assert facts.current.context_length == 8192
    assert Use.THINKING in facts.uses
    assert facts.source.endswith("the last 10 s")


def test_ten_people_in_its_queue_are_a_gray_zone_and_its_runner_keeps_its_address() -> None:
    before, after = reading(100), reading(140, waiting=9)
    decision = decide(facts_from(observation(before, after)), Wish(first_token_s=0.5))
    assert decision.verdict is Verdict.GRAY_ZONE
    assert decision.plan is not None
    assert decision.plan.url is None
    assert decision.plan.queue_s == 45


def test_a_quiet_gateway_is_judged_by_all_it_has_done() -> None:
    facts = facts_from(observation(reading(100), reading(101)))
    assert facts.source.endswith("since its start")
    assert facts.current.queued[0].completed == 101
    assert any("little was asked" in doubt for doubt in facts.doubts)
    assert decide(facts, Wish()).verdict is Verdict.STAY


def test_refusals_are_no_prompt_service() -> None:
    page = reading(100, by_status={"503": 30.0})
    decision = decide(facts_from(observation(page, page)), Wish())
    assert any("30 refused" in line for line in decision.figures)
    assert decision.verdict is not Verdict.STAY


def test_an_unlimited_runner_has_no_slots() -> None:
    page = reading(100, in_flight=7, slots={})
    facts = facts_from(observation(page, page))
    assert facts.current.slots is None
    assert decide(facts, Wish()).verdict is Verdict.STAY


def test_nothing_answered_and_unknown_names_are_told() -> None:
    empty = Reading({}, {"laptop": 0.0}, {}, {})
    with pytest.raises(NothingSeen, match="has not answered anything yet"):
        facts_from(observation(empty, empty))
    idle = reading(0)
    with pytest.raises(NothingSeen, match="answered no request for 'llama3'"):
        facts_from(observation(idle, idle))
    busy = reading(50)
    with pytest.raises(NothingSeen, match="a request for 'other' yet \\(it has for llama3\\)"):
        facts_from(observation(busy, busy), model="other")
    with pytest.raises(NothingSeen, match="no runner 'box'; it has laptop"):
        facts_from(observation(busy, busy), runner="box")


def pair(answered: int, held_s: float, **by_runner: int) -> PairReading:
    """A model that was held so long for each request, by these runners."""
    count = float(answered)
    return PairReading(
        duration=Histogram(((float("inf"), count),), held_s * count),
        by_status={"200": count},
        by_runner={name: float(asked) for name, asked in by_runner.items()},
    )


def two_runners(a: PairReading, b: PairReading) -> Reading:
    """Model `a` on Ollama, model `b` on vLLM; runner `one` with one slot, `two` with 64."""
    return Reading(
        {("a", "ollama"): a, ("b", "vllm"): b},
        {"one": 1.0, "two": 40.0},
        {"one": 4.0, "two": 0.0},
        {"one": 1.0, "two": 64.0},
    )


def test_a_model_is_seen_on_the_runner_that_it_is_on_however_busy_another_is() -> None:
    seen = observation(
        two_runners(pair(0, 3.0), pair(0, 0.5)),
        two_runners(pair(40, 3.0, one=40), pair(900, 0.5, two=900)),
    )
    facts = facts_from(seen, model="a")
    assert (facts.current.runner, facts.current.slots) == ("one", 1)
    (step,) = facts.current.queued
    assert step.users == 5
    assert step.per_s == pytest.approx(1 / 3)
    assert facts.doubts == ()


def test_the_busiest_model_is_the_one_with_most_to_do_while_it_was_looked_at() -> None:
    seen = observation(
        two_runners(pair(5000, 3.0, one=5000), pair(100, 0.5, two=100)),
        two_runners(pair(5001, 3.0, one=5001), pair(190, 0.5, two=190)),
    )
    facts = facts_from(seen)
    assert (facts.current.model, facts.current.runner) == ("b", "two")
    quiet = seen.readings[0]
    assert facts_from(observation(quiet, quiet)).current.model == "a"


def test_a_runner_chooses_among_its_own_models_only() -> None:
    seen = two_runners(pair(40, 3.0, one=40), pair(900, 0.5, two=900))
    assert facts_from(observation(seen, seen), runner="one").current.model == "a"
    with pytest.raises(NothingSeen, match=r"runner 'two' no request for 'a' yet; .* one some"):
        facts_from(observation(seen, seen), model="a", runner="two")


def test_of_several_runners_an_older_gateway_is_not_guessed_one() -> None:
    seen = two_runners(pair(40, 3.0), pair(900, 0.5))
    with pytest.raises(NothingSeen, match=r"the runners one, two, .* 'a' is on: .* --runner"):
        facts_from(observation(seen, seen), model="a")
    facts = facts_from(observation(seen, seen), model="a", runner="one")
    assert facts.current.slots == 1
    assert "the gateway does not tell whether one serves a" in facts.doubts


def test_a_runner_that_is_gone_is_not_mistaken_for_the_one_that_is_left() -> None:
    seen = reading(50)
    gone = replace(seen.pairs[PAIR], by_runner={"desktop": 50.0})
    page = replace(seen, pairs={PAIR: gone})
    with pytest.raises(NothingSeen, match="has the runners laptop, and does not tell"):
        facts_from(observation(page, page))


def test_runners_that_share_a_model_are_told_and_the_one_with_most_of_it_is_seen() -> None:
    first = two_runners(pair(500, 3.0, one=400, two=100), pair(0, 0.5))
    last = two_runners(pair(560, 3.0, one=420, two=140), pair(0, 0.5))
    facts = facts_from(observation(first, last))
    assert (facts.current.model, facts.current.runner) == ("a", "two")
    assert any(doubt.startswith("one, two share its requests") for doubt in facts.doubts)
    idle = two_runners(pair(600, 3.0, one=400, two=200), pair(0, 0.5))
    asked = facts_from(observation(first, idle), runner="one")
    assert any(doubt.startswith("one, two share its requests") for doubt in asked.doubts)


def test_a_runner_with_other_models_is_told_with_their_names() -> None:
    seen = two_runners(pair(40, 3.0, one=40), pair(10, 0.5, one=10))
    facts = facts_from(observation(seen, seen), model="a")
    assert any(doubt.startswith("one answered for b as well") for doubt in facts.doubts)
