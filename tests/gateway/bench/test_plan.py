"""Targets take turns, and everything random comes from the seed."""

from __future__ import annotations

from gateway.bench.plan import Bounds, Load, Plan, Target, in_order

TARGETS = tuple(
    Target(name=name, group="g", url="http://127.0.0.1:9", model="m", api_key="sk-secret")
    for name in ("raw", "gateway")
)


def plan(seed: int = 1) -> Plan:
    return Plan(
        targets=TARGETS,
        loads=(Load(users=1), Load(rate=2.5)),
        bounds=Bounds(duration_s=1, requests=None),
        repeats=2,
        seed=seed,
    )


def test_targets_take_turns_and_every_other_round_runs_backwards() -> None:
    order = [(str(each.load), each.repeat, each.target.name) for each in in_order(plan())]
    assert order == [
        (load, repeat, name)
        for load in ("1 user", "2.5 requests/s")
        for repeat, names in ((0, ("raw", "gateway")), (1, ("gateway", "raw")))
        for name in names
    ]


def test_targets_of_one_round_share_a_seed_and_rounds_do_not() -> None:
    seeds = [each.seed for each in in_order(plan())]
    assert seeds[0::2] == seeds[1::2]
    assert len(set(seeds)) == 4
    assert seeds == [each.seed for each in in_order(plan())]
    assert seeds != [each.seed for each in in_order(plan(seed=2))]


def test_a_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(plan())
