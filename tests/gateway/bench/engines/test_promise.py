from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.bench.engines.promise import Promise, promises
from gateway.bench.result import Step
from tests.gateway.bench.made import measured, result, step, timeline

CROWD = 50


def fast(count: int = 120) -> object:
    return measured(*(timeline(n % CROWD, queue_s=3.0) for n in range(count)))


def pair(gateway: object, raw: object | None = None, users: int = CROWD) -> list[Step]:
    made = []
    for name, each in (("raw", raw or fast()), ("gateway", gateway)):
        made.append(step(name, users, each, each))  # type: ignore[arg-type]
    return made


def by_what(*steps: Step, queue_s: float = 60.0) -> dict[str, Promise]:
    return {each.what: each for each in promises(result(*steps), queue_s=queue_s)}


def test_a_crowd_that_is_served_whole_and_in_time_keeps_every_promise() -> None:
    held = by_what(*pair(fast()))
    assert len(held) == 3
    assert all(each.kept for each in held.values())


def test_few_people_are_no_crowd() -> None:
    assert promises(result(*pair(fast(), users=5)), queue_s=60) == []


@pytest.mark.parametrize("outcome", ["failed http 500", "truncated", "timed out"])
def test_a_lost_answer_breaks_the_first_promise(outcome: str) -> None:
    lost = measured(*(timeline(n) for n in range(119)), timeline(outcome=outcome))
    held = by_what(*pair(lost))["answered or told when to come back"]
    assert held.kept is False
    assert "2 lost" in held.measured


def test_a_refusal_is_honest_only_if_it_says_when_to_come_back() -> None:
    def refusing(told: bool) -> object:
        no = timeline(pieces=0, refused=503, told_to_come_back=told)
        return measured(*(timeline(n) for n in range(100)), no)

    assert by_what(*pair(refusing(True)))["answered or told when to come back"].kept
    held = by_what(*pair(refusing(False)))["answered or told when to come back"]
    assert held.kept is False
    assert "refused without Retry-After" in held.measured


def test_waiting_beyond_the_budget_is_told() -> None:
    assert by_what(*pair(fast()), queue_s=2.0)["waits within the budget"].kept is False


def test_slower_than_alone_is_broken_unless_the_repeats_say_that_nobody_knows() -> None:
    what = "as fast as alone, within 3 %"
    assert by_what(*pair(fast(108)))[what].kept is False
    raw, queued = pair(fast(108))
    assert by_what(replace(raw, spread=0.2), queued)[what].kept is None
    assert by_what(raw, replace(queued, spread=None))[what].kept is None


def test_a_runner_that_did_not_survive_alone_sets_no_pace() -> None:
    dying = measured(*(timeline(n) for n in range(119)), timeline(outcome="truncated"))
    assert "as fast as alone, within 3 %" not in by_what(*pair(fast(50), dying))
