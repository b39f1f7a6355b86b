from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.bench.engines.promise import Promise, promises
from gateway.bench.measure import Measured
from gateway.bench.result import Step
from tests.gateway.bench.made import measured, result, step, timeline

CROWD = 50


def fast(count: int = 120) -> Measured:
    return measured(*(timeline(n % CROWD, queue_s=3.0) for n in range(count)))


def pair(gateway: Measured, raw: Measured | None = None, users: int = CROWD) -> list[Step]:
    made = []
    for name, each in (("raw", raw or fast()), ("gateway", gateway)):
        made.append(step(name, users, *(each,) * 6))
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
    assert "6 lost" in held.measured


def test_a_refusal_is_honest_only_if_it_says_when_to_come_back() -> None:
    def refusing(told: bool) -> Measured:
        no = timeline(pieces=0, refused=503, told_to_come_back=told)
        return measured(*(timeline(n) for n in range(100)), no)

    assert by_what(*pair(refusing(True)))["answered or told when to come back"].kept
    held = by_what(*pair(refusing(False)))["answered or told when to come back"]
    assert held.kept is False
    assert "refused without Retry-After" in held.measured


def test_waiting_beyond_the_budget_is_told() -> None:
    assert by_what(*pair(fast()), queue_s=2.0)["waits within the budget"].kept is False


def repeated(name: str, *counts: int, cpu_share: float = 0.1) -> Step:
    """So many answers in each repeat."""
    return step(name, CROWD, *(replace(fast(count), cpu_share=cpu_share) for count in counts))


AS_FAST = "as fast as alone, within 3 %"


ALONE = (1000, 1010, 990, 1005, 995, 1000)


@pytest.mark.parametrize(
    ("raw", "gateway", "kept"),
    [
        (ALONE, (995, 1012, 980, 995, 992, 995), True),
        (ALONE, (900, 910, 895, 905, 900, 890), False),
        (ALONE, (960, 990, 950, 985, 965, 990), None),
        ((1000, 500, 750, 800, 900, 600), (990, 495, 744, 790, 890, 595), True),
        (ALONE[:5], (500, 500, 500, 500, 500), None),
        (ALONE, (1000, 1000, 0, 1000, 1000, 1000), None),
    ],
    ids=[
        "as-fast",
        "slower",
        "about-3-percent-slower",
        "repeats-that-disagree-in-pairs-that-agree",
        "too-few",
        "stood-still",
    ],
)
def test_throughput_is_judged_by_what_the_pairs_leave_open(
    raw: tuple[int, ...], gateway: tuple[int, ...], kept: bool | None
) -> None:
    held = by_what(repeated("raw", *raw), repeated("gateway", *gateway))[AS_FAST]
    assert held.kept is kept, held.measured


def test_an_interval_is_told_with_the_figures_that_it_comes_from() -> None:
    slower = (940, 950, 960, 970, 980, 1000)
    held = by_what(repeated("raw", *(1000,) * 6), repeated("gateway", *slower))[AS_FAST]
    assert held.measured == "1063 of 1100 tokens/s: -3.5 %, between -6.0 % and +0.0 %"


def test_what_too_few_repeats_lack_is_told() -> None:
    held = by_what(repeated("raw", 1000), repeated("gateway", 990))[AS_FAST]
    assert held.measured == "1089 of 1100 tokens/s: 1 of the 6 repeats that it takes"
    assert held.wants_repeats


def test_an_interval_that_holds_the_bound_wants_more_repeats() -> None:
    open_yet = repeated("gateway", 960, 990, 950, 985, 965, 990)
    held = by_what(repeated("raw", *ALONE), open_yet)[AS_FAST]
    assert held.kept is None
    assert held.wants_repeats


@pytest.mark.parametrize("gateway", [ALONE, (900, 910, 895, 905, 900, 890)])
def test_what_is_told_wants_no_more_repeats(gateway: tuple[int, ...]) -> None:
    held = by_what(repeated("raw", *ALONE), repeated("gateway", *gateway))[AS_FAST]
    assert held.kept is not None
    assert not held.wants_repeats


def test_figures_of_repeats_that_disagree_are_not_told() -> None:
    held = by_what(repeated("raw", 1000, 500), repeated("gateway", 990, 500))[AS_FAST]
    assert "tokens/s" not in held.measured


def test_a_generator_that_was_the_bottleneck_judges_nothing() -> None:
    busy = repeated("gateway", 100, 100, cpu_share=0.99)
    held = by_what(repeated("raw", 1000, 1000), busy)[AS_FAST]
    assert held.kept is None
    assert "generator" in held.measured
    assert not held.wants_repeats


def test_a_repeat_that_stood_still_is_not_mended_by_more_of_them() -> None:
    still = repeated("gateway", 1000, 1000, 0, 1000, 1000, 1000)
    assert not by_what(repeated("raw", *ALONE), still)[AS_FAST].wants_repeats


def test_a_runner_that_did_not_survive_alone_sets_no_pace() -> None:
    dying = measured(*(timeline(n) for n in range(119)), timeline(outcome="truncated"))
    assert "as fast as alone, within 3 %" not in by_what(*pair(fast(50), dying))
