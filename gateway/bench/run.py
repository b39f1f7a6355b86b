"""A whole run: every measurement of a plan in turn, its repeats put together into steps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

import msgspec

from gateway.bench.asker import Asker
from gateway.bench.dialects import DIALECTS
from gateway.bench.figures import figures, records
from gateway.bench.measure import Measured, measure
from gateway.bench.plan import Load, Measurement, Plan, Target, in_order
from gateway.bench.prompts import Prompts, supply
from gateway.bench.result import Step
from gateway.bench.timeline import Timeline
from gateway.bench.verdict import throughput_spread, verdicts
from gateway.bench.window import Window


class Watcher(Protocol):
    """Somebody who is told how the run goes."""

    def begin(self, measurement: Measurement) -> None:
        """A measurement begins, with its warm-up."""
        ...

    def tick(self, window: Window) -> None:
        """It goes on; called a few times a second."""
        ...

    def end(self, measurement: Measurement, measured: Measured) -> None:
        """It has ended."""
        ...


def bodies(target: Target, prompts: Prompts) -> tuple[bytes, ...]:
    """The requests that ask `target` for each prompt."""
    dialect = DIALECTS[target.dialect]
    exact_for = target.kind if prompts.facts.exact_output else None
    return tuple(
        msgspec.json.encode(dialect.body(target.model, prompt, exact_for=exact_for))
        for prompt in prompts.prompts
    )


async def run(
    plan: Plan, prompts: Prompts, *, watcher: Watcher, stop: asyncio.Event
) -> tuple[Step, ...]:
    """Measure everything, or until `stop` is set. Cancelling it closes every connection."""
    connections = max([load.users or 1024 for load in plan.loads])
    measured: dict[tuple[Load, str], list[Measured]] = {}
    steps: list[Step] = []
    async with AsyncExitStack() as stack:
        askers: dict[str, Asker] = {}
        for target in plan.targets:
            asker = Asker(
                target,
                timeout_s=plan.bounds.timeout_s,
                connections=connections,
                retry=random.Random(plan.seed) if plan.retry else None,
            )
            askers[target.name] = await stack.enter_async_context(asker)
        wanted = {target.name: bodies(target, prompts) for target in plan.targets}
        for measurement in in_order(plan):
            if stop.is_set():
                break
            watcher.begin(measurement)
            seen = await _one(plan, measurement, askers, wanted, watcher=watcher, stop=stop)
            if seen is None:
                break
            watcher.end(measurement, seen)
            repeats = measured.setdefault((measurement.load, measurement.target.name), [])
            repeats.append(seen)
            if len(repeats) == plan.repeats:
                # Counted at once, so that the requests of one load at most are kept in memory.
                steps.append(_step(plan, measurement.load, measurement.target.name, repeats))
                repeats.clear()
    steps.extend(_step(plan, load, name, seen) for (load, name), seen in measured.items() if seen)
    return _as_planned(plan, steps)


async def _one(
    plan: Plan,
    measurement: Measurement,
    askers: Mapping[str, Asker],
    wanted: Mapping[str, tuple[bytes, ...]],
    *,
    watcher: Watcher,
    stop: asyncio.Event,
) -> Measured | None:
    """None: stopped before there was anything to count."""
    name = measurement.target.name
    next_body = supply(wanted[name], str(measurement.seed), name)
    warming = asyncio.gather(
        *(askers[name].ask(Timeline(0, 0.0), next_body()) for _ in range(plan.warmup))
    )
    await _unless(stop, warming)
    if stop.is_set():
        return None
    seen = await measure(
        measurement, askers[name], next_body, plan.bounds, stop=stop, tick=watcher.tick
    )
    return seen if seen.timelines or not seen.interrupted else None


async def _unless(stop: asyncio.Event, work: asyncio.Future[Any]) -> None:
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


def _step(plan: Plan, load: Load, target: str, measured: list[Measured]) -> Step:
    # A repeat that was cut short has lost what was in flight: it would disagree with whole ones.
    measured = [each for each in measured if not each.interrupted] or measured
    together = figures(measured, plan.slo, users=load.users)
    repeats = tuple(figures([each], plan.slo, users=load.users) for each in measured)
    return Step(
        target=target,
        users=load.users,
        rate=load.rate,
        figures=together,
        repeats=repeats,
        spread=throughput_spread(repeats),
        verdicts=verdicts(
            together, repeats, load, interrupted=any(each.interrupted for each in measured)
        ),
        records=tuple(record for each in measured for record in records(each))
        if plan.records
        else None,
    )


def _as_planned(plan: Plan, steps: list[Step]) -> tuple[Step, ...]:
    """In the order of loads and targets, whichever of them happened to be measured first."""
    loads = {(load.users, load.rate): position for position, load in enumerate(plan.loads)}
    names = {target.name: position for position, target in enumerate(plan.targets)}
    return tuple(sorted(steps, key=lambda step: (loads[step.users, step.rate], names[step.target])))
