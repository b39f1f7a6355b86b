"""Figures that cannot be believed are said to be so."""

from __future__ import annotations

from dataclasses import replace

from gateway.bench.figures import figures
from gateway.bench.plan import Load
from gateway.bench.result import Figures
from gateway.bench.verdict import verdicts
from tests.gateway.bench.made import counted, measured, step, timeline


def names(
    found: Figures, *repeats: Figures, users: int = 1, interrupted: bool = False
) -> list[str]:
    given = verdicts(found, repeats, Load(users=users), interrupted=interrupted)
    return [verdict.name for verdict in given]


MANY = [timeline(n % 2) for n in range(200)]


def test_good_figures_have_no_verdict() -> None:
    assert names(counted(*MANY, users=2), users=2) == []


def test_nothing_completed_voids_a_step() -> None:
    made = step("raw", 1, measured(timeline(pieces=0, outcome="failed connect")))
    assert [verdict.name for verdict in made.verdicts] == ["nothing"]
    assert made.void


def test_a_busy_generator_voids_a_step() -> None:
    made = step("raw", 2, measured(*MANY, cpu_share=0.93))
    assert made.void
    assert "93%" in made.verdicts[0].message


def test_a_late_generator_voids_times_that_are_short_beside_it_and_no_others() -> None:
    late = {"late_s": 0.02}
    short = [timeline(n % 2, ttft_s=0.1) for n in range(200)]
    assert step("raw", 2, measured(*short, **late)).void
    assert not step("raw", 2, measured(*MANY, **late)).void


def test_times_between_tokens_are_rough_where_the_generator_is_late_beside_them() -> None:
    rough, fine = (step("raw", 2, measured(*MANY, late_s=late_s)) for late_s in (0.03, 0.015))
    assert [verdict.name for verdict in rough.verdicts] == ["coarse"]
    assert "30 ms" in rough.verdicts[0].message
    assert not rough.void
    assert fine.verdicts == ()


def test_arrivals_that_found_no_room_void_a_step() -> None:
    assert step("raw", 2, measured(*MANY, left_out=1)).void


def test_repeats_that_disagree_void_a_step() -> None:
    alike = step("raw", 2, measured(*MANY), measured(*MANY[:190]))
    apart = step("raw", 2, measured(*MANY), measured(*MANY[:120]))
    assert not alike.void
    assert apart.void
    assert "132" in apart.verdicts[0].message


def test_unequal_shares_are_said_once_each_user_has_had_some_answers() -> None:
    lopsided = [timeline(0) for _ in range(190)] + [timeline(1) for _ in range(10)]
    assert names(counted(*lopsided, users=2), users=2) == ["unfair"]
    assert "unfair" not in names(counted(*lopsided[:4], users=2), users=2)


def test_users_who_are_starved_are_noticed_however_few_answers_there_are() -> None:
    starved = [timeline(1, pieces=1, outcome="timed out") for _ in range(3)]
    found = counted(timeline(0), timeline(0), timeline(0), *starved, users=2)
    assert "unfair" in names(found, users=2)


def test_a_p99_of_few_requests_is_said_to_be_their_slowest() -> None:
    assert names(counted(timeline(), users=1)) == ["short"]


def test_an_interrupted_step_is_said_to_be_one() -> None:
    found = counted(*MANY, users=2)
    assert names(found, users=2, interrupted=True) == ["interrupted"]


def test_a_repeat_without_answers_does_not_hide_behind_the_others() -> None:
    whole = figures([measured(*MANY)], None, users=2)
    none = replace(whole, output_tokens_per_s=None)
    assert names(whole, whole, none, users=2) == ["disagree"]
