"""A whole run against fake runners: loads, interruption, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.bench.benchmark import PromptWish, benchmark
from gateway.bench.measure import Measured
from gateway.bench.plan import Bounds, Load, Measurement, Plan, Target
from gateway.bench.preflight import TargetUnusable
from gateway.bench.result import Result
from gateway.bench.window import Window
from tests.fakes.eventually import eventually
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

WISH = PromptWish(text="hello", output_tokens=5)


@dataclass
class Watching:
    """Notes what it is told, and may do something about it."""

    on_tick: Callable[[Window], None] = lambda window: None
    on_begin: Callable[[Measurement], None] = lambda measurement: None
    order: list[str] = field(default_factory=list)

    def begin(self, measurement: Measurement) -> None:
        self.order.append(f"{measurement.load} {measurement.target.name}")
        self.on_begin(measurement)

    def tick(self, window: Window) -> None:
        self.on_tick(window)

    def end(self, measurement: Measurement, measured: Measured) -> None:
        self.order.append("end")


def plan(url: str, *loads: Load, names: tuple[str, ...] = ("raw",), **fields: object) -> Plan:
    bounds = {name: fields.pop(name, None) for name in ("duration_s", "requests")}
    return Plan(
        targets=tuple(Target(name=name, group="g", url=url, model="tiny") for name in names),
        loads=loads,
        bounds=Bounds(**bounds, timeout_s=10),  # type: ignore[arg-type]  # filled from keywords
        repeats=fields.pop("repeats", 1),  # type: ignore[arg-type]  # the same
        **fields,  # type: ignore[arg-type]  # the same
    )


async def result_of(
    wanted: Plan,
    *,
    wish: PromptWish = WISH,
    watching: Watching | None = None,
    stop: asyncio.Event | None = None,
) -> Result:
    return await benchmark(
        wanted,
        wish,
        command=["sluicegate", "bench"],
        watcher=watching or Watching(),
        stop=stop or asyncio.Event(),
    )


async def test_users_have_one_request_each_and_never_more() -> None:
    async with FakeRunner("vllm", tokens_per_s=200) as runner:
        found = await result_of(plan(runner.url, Load(users=3), requests=12))
    (step,) = found.steps
    assert runner.max_in_flight == 3
    assert (step.figures.sent, step.figures.completed) == (12, 12)
    assert step.figures.fairness is not None
    assert step.figures.output_tokens_per_s is not None
    assert not found.interrupted


async def test_arrivals_wait_for_nobody() -> None:
    async with FakeRunner("vllm", slots=1, tokens_per_s=150) as runner:
        found = await result_of(plan(runner.url, Load(rate=60.0), duration_s=0.5))
    (step,) = found.steps
    assert runner.max_in_flight > 3
    assert 10 < step.figures.sent < 60
    assert step.figures.completed == step.figures.sent
    assert step.figures.fairness is None


async def test_the_same_seed_sends_the_same_arrivals_to_every_target() -> None:
    async with FakeRunner("vllm") as runner:
        load = Load(rate=200.0)
        found = await result_of(plan(runner.url, load, requests=40, names=("a", "b"), records=True))
    sent = []
    for step in found.steps:
        assert step.records is not None
        sent.append([record.sent_s for record in step.records])
    assert sent[0] == pytest.approx(sent[1], abs=0.05)
    assert len(sent[0]) == 40


async def test_targets_take_turns_and_steps_come_out_as_planned() -> None:
    watching = Watching()
    loads = (Load(users=1), Load(users=2))
    async with FakeRunner("vllm") as runner:
        wanted = plan(runner.url, *loads, names=("raw", "gateway"), repeats=2, requests=4)
        found = await result_of(wanted, watching=watching)
    begun = [line for line in watching.order if line != "end"]
    assert begun[:4] == ["1 user raw", "1 user gateway", "1 user gateway", "1 user raw"]
    assert [(step.users, step.target) for step in found.steps] == [
        (users, name) for users in (1, 2) for name in ("raw", "gateway")
    ]
    assert all(len(step.repeats) == 2 and step.records is None for step in found.steps)


async def test_a_warm_up_is_not_counted() -> None:
    async with FakeRunner("vllm") as runner:
        found = await result_of(plan(runner.url, Load(users=1), requests=2, warmup=3))
        inferences = len(runner.inferences)
    assert found.steps[0].figures.sent == 2
    assert inferences == 1 + 3 + 2  # a trial, the warm-up, and what counts


async def test_a_refused_user_waits_and_does_not_hammer() -> None:
    async with FakeRunner("vllm") as runner:

        def overload(measurement: Measurement) -> None:
            runner.script = Script(Fault.OVERLOADED)

        found = await result_of(
            plan(runner.url, Load(users=2), duration_s=0.5), watching=Watching(on_begin=overload)
        )
    (step,) = found.steps
    assert step.figures.refused == {"503": 2}
    assert step.void


async def test_made_prompts_have_their_wanted_length_by_the_runners_own_count() -> None:
    async with FakeRunner("vllm") as runner:
        found = await result_of(
            plan(runner.url, Load(users=1), requests=2),
            wish=PromptWish(input_tokens=64, output_tokens=5),
        )
        bodies = [seen.json for seen in runner.inferences]
    assert found.conditions.prompts.input_tokens == 64
    assert bodies[-1]["ignore_eos"] is True
    assert bodies[-1]["min_tokens"] == 5
    assert found.conditions.targets[0].kind == "vllm"


async def test_stopping_keeps_what_was_measured_and_cuts_the_rest() -> None:
    stop = asyncio.Event()
    async with FakeRunner("vllm", slots=2, tokens_per_s=50) as runner:

        def press(window: Window) -> None:
            if len(window.ended) >= 2 and window.in_flight:
                stop.set()

        found = await result_of(
            plan(runner.url, Load(users=4), Load(users=8), duration_s=60),
            watching=Watching(press),
            stop=stop,
        )
        await eventually(lambda: runner.in_flight == 0)
    assert found.interrupted
    (step,) = found.steps
    assert step.users == 4
    assert step.figures.completed == step.figures.sent >= 2
    assert "interrupted" in [verdict.name for verdict in step.verdicts]


async def test_a_repeat_that_was_cut_short_does_not_spoil_the_whole_ones() -> None:
    stop = asyncio.Event()
    async with FakeRunner("vllm", slots=2, tokens_per_s=50) as runner:

        def press(window: Window) -> None:
            if second.order.count("end") == 1 and window.in_flight:
                stop.set()

        second = Watching(press)
        wanted = plan(runner.url, Load(users=2), duration_s=1, repeats=2)
        found = await result_of(wanted, watching=second, stop=stop)
    assert found.interrupted
    (step,) = found.steps
    assert len(step.repeats) == 1
    assert not step.void
    assert "interrupted" not in [verdict.name for verdict in step.verdicts]


async def test_users_for_whom_no_request_is_left_do_not_end_the_measurement() -> None:
    async with FakeRunner("vllm", slots=4, tokens_per_s=100) as runner:
        found = await result_of(plan(runner.url, Load(users=9), requests=4))
    (step,) = found.steps
    assert step.figures.completed == 4
    assert not step.void
    assert step.figures.output_tokens_per_s


async def test_a_cancelled_run_leaves_no_request_behind() -> None:
    async with FakeRunner("vllm", tokens_per_s=5) as runner:
        wanted = plan(runner.url, Load(users=3), duration_s=60, warmup=0)
        running = asyncio.ensure_future(
            result_of(wanted, wish=PromptWish(text="hello", output_tokens=50))
        )
        await eventually(lambda: runner.in_flight == 3, within_s=10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: runner.in_flight == 0)


async def test_a_cancelled_warm_up_leaves_no_request_behind() -> None:
    async with FakeRunner("vllm", tokens_per_s=5) as runner:
        wanted = plan(runner.url, Load(users=1), duration_s=60, warmup=4)
        running = asyncio.ensure_future(
            result_of(wanted, wish=PromptWish(text="hello", output_tokens=50))
        )
        await eventually(lambda: runner.in_flight == 4, within_s=10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: runner.in_flight == 0)


async def test_a_runner_that_dies_on_the_way_is_counted_and_not_believed() -> None:
    async with FakeRunner("vllm") as runner:

        def die(measurement: Measurement) -> None:
            if measurement.load.users == 2:
                runner.script = Script(Fault.CRASH)

        wanted = plan(runner.url, Load(users=1), Load(users=2), duration_s=0.3)
        found = await result_of(wanted, watching=Watching(on_begin=die))
    assert found.steps[0].figures.failed == {}
    assert found.steps[1].figures.failed == {"http 500": 2}
    assert found.steps[1].void
    assert found.steps[1].figures.ttft_s is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.CRASH, "answered HTTP 500"),
        (Fault.STOPPED, "without saying that it had finished"),
        (Fault.HTML, "HTTP 50"),
        (Fault.GARBAGE, "no answer"),
        (Fault.DROP, "closed the connection"),
    ],
)
async def test_a_runner_that_answers_errors_only_is_said_at_once(fault: Fault, said: str) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(fault)
        with pytest.raises(TargetUnusable, match=said):
            await result_of(plan(runner.url, Load(users=50), duration_s=60))
        assert len(runner.inferences) <= 2
