"""The script and its oracle agree on every reply and every letter, to the microsecond."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.admission.both import Both
from tests.gateway.admission.scripted import ScriptedScheduler
from tests.gateway.admission.traces import Trace


@pytest.mark.parametrize("seed", range(8))
def test_they_agree_on_long_traces(script: ScriptedScheduler, seed: int) -> None:
    both = Both(script)
    trace = Trace(Random(seed), both)
    trace.run(700)
    both.compare()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(random=st.randoms(use_true_random=False))
def test_they_agree_on_short_ones_that_can_be_shrunk(
    script: ScriptedScheduler, random: Random
) -> None:
    script.flush()
    both = Both(script, compare_every=5)
    Trace(random, both).run(40)
    both.compare()


@pytest.mark.parametrize("seed", range(8))
def test_they_agree_when_a_call_does_several_operations(
    script: ScriptedScheduler, seed: int
) -> None:
    random, recorded = Random(seed), Both(script)
    Trace(random, recorded).run(500)
    script.flush()
    both = Both(script)
    turns: list[tuple[object, list[tuple[object, ...]]]] = []
    turn: list[tuple[object, ...]] = []
    for now, operation, *arguments in recorded.asked:
        turn.append((operation, *arguments))
        # With a replica goes its mailbox, and what was written to it in the same call.
        alone = operation in ("flush", "leave")
        if alone and len(turn) > 1:
            turns.append((now, turn[:-1]))
            turn = turn[-1:]
        if alone or len(turn) > random.choice((1, 3, 8)):
            turns.append((now, turn))
            turn = []
    for now, turn in turns:
        if turn[-1] == ("flush",):
            both.flush()
        else:
            both.together(int(str(now)), turn)
    both.compare()
    assert both.operations > 300
