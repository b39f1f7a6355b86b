"""Two results are compared figure by figure, and chance is not taken for a change."""

from __future__ import annotations

from dataclasses import replace

from gateway.bench.compare import Change, compare, differences
from gateway.bench.measure import Measured
from gateway.bench.result import Step
from tests.gateway.bench.made import facts, measured, result, step, timeline


def runs(ttft_s: float, count: int = 200, **fields: float) -> Measured:
    return measured(*(timeline(n % 2, ttft_s=ttft_s) for n in range(count)), **fields)


def one(*repeats: Measured, target: str = "raw", users: int = 2) -> Step:
    return step(target, users, *repeats)


def twice(*arguments: float, **fields: float) -> Step:
    each = runs(*arguments, **fields)  # type: ignore[arg-type]
    return one(each, each)


def changes(before: Step, after: Step) -> dict[str, Change]:
    return {change.figure: change for change in compare(result(before), result(after))}


def test_a_change_is_better_or_worse_by_what_the_figure_means() -> None:
    found = changes(twice(1.0), twice(2.0, count=250))
    assert (found["tokens/s"].meaning, found["TTFT p50"].meaning) == ("better", "worse")
    assert found["TTFT p50"].relative == 1.0
    assert (found["TTFT p50"].before, found["TTFT p50"].after) == ("1.00 s", "2.00 s")
    assert found["ITL p50"].meaning == "same"


def test_a_difference_within_that_of_the_repeats_is_none() -> None:
    restless = one(runs(1.0, count=200), runs(1.0, count=215))
    steady = one(runs(1.0, count=200), runs(1.0, count=200))
    assert changes(restless, twice(1.0, count=195))["tokens/s"].meaning == "same"
    assert changes(steady, twice(1.0, count=190))["tokens/s"].meaning == "worse"


def test_what_was_measured_once_may_be_chance() -> None:
    found = changes(twice(1.0), one(runs(2.0)))
    assert (found["TTFT p50"].meaning, found["ITL p50"].meaning) == ("measured once", "same")


def test_void_figures_are_not_compared_but_outcomes_are() -> None:
    found = changes(one(runs(1.0)), one(runs(1.0, cpu_share=0.99)))
    assert (found["tokens/s"].meaning, found["tokens/s"].after) == ("void", "-")
    assert found["broken"].meaning == "same"


def test_failures_that_were_not_there_before_are_worse() -> None:
    whole = [timeline(n % 2) for n in range(90)]
    broken = [timeline(pieces=0, outcome="failed connect") for _ in range(10)]
    found = changes(one(measured(*whole)), one(measured(*whole, *broken)))
    assert (found["broken"].meaning, found["broken"].after) == ("worse", "10 %")


def test_a_step_without_answers_is_only_in_one_of_the_two() -> None:
    found = changes(one(runs(1.0)), one(measured(timeline(pieces=0, outcome="failed connect"))))
    assert found["tokens/s"].meaning == "void"
    assert found["broken"].meaning == "worse"


def test_the_only_target_of_each_is_the_same_one_whatever_its_name() -> None:
    assert compare(result(one(runs(1.0), target="a")), result(one(runs(1.0), target="b")))
    two = (one(runs(1.0), target="a"), one(runs(1.0), target="c"))
    assert not compare(result(*two), result(one(runs(1.0), target="b")))


def test_other_loads_have_nothing_in_common() -> None:
    assert not compare(result(one(runs(1.0), users=2)), result(one(runs(1.0), users=4)))


def test_conditions_that_differ_are_named() -> None:
    before = result(one(runs(1.0))).conditions
    assert differences(before, before) == []
    other = replace(before, targets=(facts("raw", model="qwen3", kind="vllm"),), retry=True)
    assert differences(before, other) == ["models", "runners", "retrying"]
