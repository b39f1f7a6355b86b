"""The state of a runner, event by event."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import RunnerState
from gateway.routing.health import FAILURES_TO_DOWN, Health
from tests.gateway.routing.runners import saw

READY, BUSY, LOADING, ASLEEP, DOWN = (
    RunnerState.READY,
    RunnerState.BUSY,
    RunnerState.LOADING,
    RunnerState.ASLEEP,
    RunnerState.DOWN,
)

Event = RunnerState | str
"""What a probe saw, or what a request met."""


def after(*events: Event) -> RunnerState:
    health = Health()
    for event in events:
        apply(health, event)
    return health.state


def apply(health: Health, event: Event) -> None:
    if isinstance(event, RunnerState):
        health.observe(saw(event))
    elif event == "unreachable":
        health.unreachable("connection refused")
    else:
        health.loading("still loading")


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), LOADING),
        *(((state,), state) for state in RunnerState),
        *(((READY, state), state) for state in (READY, BUSY, LOADING, ASLEEP)),
        *(((DOWN, state), state) for state in RunnerState),
        *(((state, DOWN), state) for state in (READY, BUSY, LOADING, ASLEEP)),
        *(((state, DOWN, DOWN), DOWN) for state in RunnerState),
        ((READY, DOWN, READY, DOWN), READY),
        ((READY, DOWN, BUSY, DOWN, DOWN), DOWN),
        ((READY, DOWN, DOWN, READY, DOWN), READY),
        ((READY, "unreachable"), DOWN),
        ((READY, "unreachable", DOWN), DOWN),
        ((READY, "unreachable", READY), READY),
        ((READY, "unreachable", READY, DOWN), READY),
        (("unreachable",), DOWN),
        ((READY, "loading"), LOADING),
        ((READY, "loading", DOWN), LOADING),
        ((READY, "loading", DOWN, DOWN), DOWN),
        ((READY, "loading", READY), READY),
        (("loading", DOWN), DOWN),
        ((DOWN, "loading"), LOADING),
        ((DOWN, "loading", DOWN), DOWN),
    ],
    ids=str,
)
def test_the_state_follows_from_what_was_seen(
    events: tuple[Event, ...], state: RunnerState
) -> None:
    assert after(*events) is state


def test_the_detail_belongs_to_the_state() -> None:
    health = Health()
    health.observe(saw(READY, "fine"))
    health.observe(saw(DOWN, "timed out"))
    assert (health.state, health.detail) == (READY, "fine")
    health.observe(saw(DOWN, "timed out again"))
    assert (health.state, health.detail) == (DOWN, "timed out again")
    health.unreachable("connection refused")
    assert health.detail == "connection refused"
    health.loading("3 of 8 GB")
    assert (health.state, health.detail) == (LOADING, "3 of 8 GB")


events = st.lists(
    st.sampled_from(RunnerState) | st.sampled_from(["unreachable", "loading"]), max_size=30
)


@given(events, st.sampled_from([READY, BUSY, LOADING, ASLEEP]))
def test_one_good_probe_is_enough_whatever_came_before(
    before: list[Event], state: RunnerState
) -> None:
    assert after(*before, state) is state


@given(events)
def test_enough_failed_probes_mean_down_whatever_came_before(before: list[Event]) -> None:
    assert after(*before, *[DOWN] * FAILURES_TO_DOWN) is DOWN


@given(events, st.sampled_from([READY, BUSY, LOADING, ASLEEP]))
def test_one_failed_probe_after_a_good_one_changes_nothing(
    before: list[Event], state: RunnerState
) -> None:
    assert after(*before, state, DOWN) is state


@pytest.mark.parametrize("event", [lambda h: h.unreachable("x"), lambda h: h.observe(saw(READY))])
def test_a_fact_needs_no_second_look(event: Callable[[Health], None]) -> None:
    health = Health()
    event(health)
    assert health.state is not LOADING
