"""What `sluicegate top` shows of a state, at any size."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.state import FlowState, RunnerState, State, TokenRates
from gateway.cli.cells import width_of
from gateway.cli.top_frame import frame, span


def a_runner(name: str = "box", **fields: Any) -> RunnerState:
    values: dict[str, Any] = {
        "name": name,
        "id": "9b94a2fb755164c4",
        "backend": "llama-cpp-python",
        "url": "http://127.0.0.1:1",
        "state": "ready",
        "detail": "",
        "slots": 4,
        "in_flight": 3,
        "waiting": 17,
        "in_flight_here": 1,
        "waiting_here": 2,
    }
    return RunnerState(**values | fields)


def a_flow(tenant: str = "team-a", **fields: Any) -> FlowState:
    values: dict[str, Any] = {
        "service_class": "interactive",
        "tenant": tenant,
        "weight": 4,
        "waiting": 5,
        "backlog_s": 12.4,
        "oldest_s": 3.21,
    }
    return FlowState(**values | fields)


def a_state(**fields: Any) -> State:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "replica": "8e2f77747c9f",
        "uptime_s": 93.0,
        "draining": False,
        "store_up": True,
        "degraded": False,
        "replicas": 2,
        "predicted_wait_s": 7.25,
        "waiting": 5,
        "tokens_per_s": TokenRates(prompt=12.0, answer=345.6, over_s=10.0),
        "runners": (a_runner(),),
        "runners_left_out": 0,
        "flows": (a_flow(),),
    }
    return State(**values | fields)


def plain(state: State, width: int = 80, height: int | None = None, problem: str = "") -> list[str]:
    return [click.unstyle(line) for line in frame(state, width, height, problem)]


def test_a_look_fits_a_terminal_of_eighty_columns() -> None:
    assert plain(a_state()) == [
        "Sluicegate 0.1.0  replica 8e2f77747c9f, up 93 s; 2 replicas, store up",
        "waiting 5   predicted wait 7.2 s   tokens/s in 12 out 346 (this replica, 10 s)",
        "",
        "RUNNER              BACKEND           STATE     IN FLIGHT                WAITING",
        "box                 llama-cpp-python  ready     █████████░░░ 3/4              17",
        "",
        "CLASS        TENANT                          WEIGHT  WAITING   BACKLOG    OLDEST",
        "interactive  team-a                               4        5      12 s     3.2 s",
    ]


def test_a_queue_that_is_empty_is_said_to_be() -> None:
    assert plain(a_state(waiting=0, flows=()))[-1] == "Nobody waits."


def test_what_is_not_listed_is_counted() -> None:
    lines = plain(a_state(waiting=500, runners_left_out=3))
    assert "and 3 more" in lines
    assert lines[-1] == "and 495 more requests"


@pytest.mark.parametrize(
    ("fields", "problem", "words"),
    [
        ({"degraded": True, "store_up": False}, "", "DEGRADED: without the store"),
        ({"draining": True}, "", "DRAINING"),
        ({}, "cannot connect to it", "NOT OF NOW: cannot connect to it"),
    ],
)
def test_what_must_be_known_first_stands_out(
    fields: dict[str, Any], problem: str, words: str
) -> None:
    (banner,) = [line for line in frame(a_state(**fields), 80, 24, problem) if words in line]
    assert banner.startswith("\x1b[7m")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"slots": 100, "in_flight": 1}, "█░░░░░░░░░░░ 1/100"),
        ({"slots": 100, "in_flight": 99}, "███████████░ 99/100"),
        ({"slots": 2, "in_flight": 2}, "████████████ 2/2"),
        ({"slots": 2, "in_flight": 5}, "████████████ 5/2"),
        ({"slots": 0, "in_flight": 1}, "············ 1/0"),
        ({"slots": None, "in_flight": 7}, "············ 7/∞"),
    ],
)
def test_a_bar_looks_full_or_empty_only_where_the_runner_is(
    fields: dict[str, Any], shown: str
) -> None:
    assert shown in plain(a_state(runners=(a_runner(**fields),)))[4]


def test_a_runner_that_cannot_be_used_says_why_and_one_of_others_shows_what_is_known() -> None:
    down = a_runner("gone", state="down", detail="connection refused", slots=0, in_flight=0)
    foreign = a_runner("0f0f", backend=None, state=None)
    lines = plain(a_state(runners=(down, foreign)))
    assert lines[5] == "  connection refused"
    assert lines[6].split()[:3] == ["0f0f", "-", "-"]


@given(
    width=st.integers(50, 200),
    height=st.integers(5, 60),
    runners=st.integers(0, 30),
    flows=st.integers(0, 30),
    text=st.text(max_size=100),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_nothing_goes_beyond_the_screen(
    width: int,
    height: int,
    runners: int,
    flows: int,
    text: str,
    flags: tuple[bool, bool, bool],
) -> None:
    state = a_state(
        version=text,
        runners=tuple(a_runner(text, state="down", detail=text) for _ in range(runners)),
        flows=tuple(a_flow(text) for _ in range(flows)),
        waiting=5 * flows,
        draining=flags[0],
        degraded=flags[1],
    )
    lines = plain(state, width, height, text if flags[2] else "")
    assert len(lines) <= height
    assert all(width_of(line) <= width and line.isprintable() for line in lines)


def test_a_small_screen_is_shared_by_runners_and_queue() -> None:
    state = a_state(
        runners=tuple(a_runner(f"r{n}") for n in range(30)),
        flows=tuple(a_flow(f"t{n}") for n in range(30)),
        waiting=150,
    )
    lines = plain(state, 80, 24)
    assert len(lines) == 24
    assert sum(line.startswith("r") for line in lines) > 5
    assert sum(line.startswith("interactive") for line in lines) > 5
    assert sum("more lines" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("time_s", "shown"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (1e6, "12 d"),
        (1e12, "9999 d"),
    ],
)
def test_a_span_is_short(time_s: float, shown: str) -> None:
    assert span(time_s) == shown
