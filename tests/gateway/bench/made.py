"""Timelines, figures and results made by hand, for tests of what is counted of them."""

from __future__ import annotations

from typing import Any

from gateway.bench.figures import figures
from gateway.bench.measure import Measured
from gateway.bench.plan import Load
from gateway.bench.result import (
    SCHEMA,
    Conditions,
    Figures,
    Machine,
    PromptFacts,
    Result,
    Slo,
    Step,
    TargetFacts,
)
from gateway.bench.timeline import COMPLETED, Timeline
from gateway.bench.verdict import throughput_spread, verdicts


def timeline(
    user: int = 0,
    *,
    sent_at: float = 0.0,
    ttft_s: float = 1.0,
    gap_s: float = 0.1,
    pieces: int = 11,
    outcome: str = COMPLETED,
    refused: int | None = None,
    **fields: Any,
) -> Timeline:
    """One request whose pieces came evenly."""
    made = Timeline(user, sent_at)
    made.attempts = 1
    for number in range(pieces):
        made.text(1, sent_at + ttft_s + number * gap_s)
    made.ended_at = made.last_at
    made.outcome = outcome if refused is None else f"refused {refused}"
    made.refused_status = refused
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def measured(*timelines: Timeline, window_s: float = 10.0, **fields: Any) -> Measured:
    """A measurement of a generator that kept up."""
    return Measured(
        **{
            "opened_at": 0.0,
            "window_s": window_s,
            "timelines": timelines,
            "left_out": 0,
            "cpu_share": 0.1,
            "late_s": 0.0001,
            "late_p99_s": 0.001,
            "interrupted": False,
        }
        | fields
    )


def counted(*timelines: Timeline, users: int | None = 1, slo: Slo | None = None) -> Figures:
    """The figures of one measurement."""
    return figures([measured(*timelines)], slo, users=users)


def step(target: str, users: int, *repeats: Measured, slo: Slo | None = None) -> Step:
    """A step as a run makes it."""
    together = figures(repeats, slo, users=users)
    each = tuple(figures([one], slo, users=users) for one in repeats)
    return Step(
        target=target,
        users=users,
        rate=None,
        figures=together,
        repeats=each,
        spread=throughput_spread(each),
        verdicts=verdicts(together, each, Load(users=users), interrupted=False),
    )


def facts(name: str, **fields: Any) -> TargetFacts:
    """A target."""
    return TargetFacts(
        **{
            "name": name,
            "group": "llama3",
            "url": "http://127.0.0.1:9",
            "model": "llama3",
            "path": "gateway" if "gateway" in name else "raw",
            "dialect": "openai-chat",
            "kind": "llamacpp",
            "version": "b1",
            "slots": 4,
        }
        | fields
    )


def result(*steps: Step, **fields: Any) -> Result:
    """A result with these steps, and a target for each name in them."""
    names = list(dict.fromkeys(each.target for each in steps)) or ["raw"]
    conditions = {
        "version": "0",
        "python": "3.11",
        "started_at": "2026-11-26T02:00:00+00:00",
        "command": ("sluicegate", "bench"),
        "machine": Machine(
            system="Linux",
            cpu="A CPU",
            cores=2,
            cpu_features=("avx2",),
            memory_bytes=8 << 30,
            gpus=(),
        ),
        "targets": tuple(map(facts, names)),
        "prompts": PromptFacts(
            kind="fixed",
            count=1,
            source=None,
            input_tokens=None,
            output_tokens=11,
            exact_output=False,
        ),
        "seed": 1,
        "repeats": 2,
        "warmup": 1,
        "duration_s": 10.0,
        "requests": None,
        "timeout_s": 600.0,
        "retry": False,
        "slo": None,
    }
    return Result(
        schema=SCHEMA,
        interrupted=False,
        conditions=Conditions(**(conditions | fields)),
        steps=steps,
    )
