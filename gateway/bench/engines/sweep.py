"""The comparison: engine after engine, each asked directly and through a gateway by turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from backends.launch.errors import LaunchError
from backends.launch.runner import LaunchedRunner
from gateway.bench.benchmark import PromptWish, benchmark
from gateway.bench.engines.cores import Cores, kept_to
from gateway.bench.engines.engine import Engine, Missing
from gateway.bench.engines.front import gateway_before
from gateway.bench.engines.ollama_model import take_in
from gateway.bench.engines.until_measuring import unless_stopped
from gateway.bench.engines.weights import Weights
from gateway.bench.machine import this_machine
from gateway.bench.plan import Plan, Target
from gateway.bench.preflight import TargetUnusable
from gateway.bench.result import Result
from gateway.bench.run import Watcher

_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is done with each engine. The targets of `plan` are set for each."""

    plan: Plan
    prompts: PromptWish
    weights: Weights
    queue_s: float
    command: tuple[str, ...]
    cores: Cores | None = None
    """None: engine, gateway and load share all there are."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All results as one; None when no engine could be measured."""

    result: Result | None
    failed: tuple[Missing, ...]
    """Engines that looked as if they could be started, and what happened."""
    interrupted: bool = False
    """It was stopped. So is `result` if anything is missing in it."""


async def sweep(
    engines: Sequence[Engine],
    course: Course,
    *,
    watcher: Watcher,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> Comparison:
    """Measure them in turn. One that cannot be started is noted, and the others go on.

    Once `stop` is set it returns what is known; an engine that was still being started is given up.
    Cancelling it ends every process it started.
    """
    results: list[Result] = []
    failed: list[Missing] = []
    machine = await asyncio.to_thread(this_machine)  # all of it, also where we keep to a part
    with kept_to(course.cores.load if course.cores else None):
        for engine in engines:
            if stop.is_set():
                break
            try:
                work = partial(_one, engine, course, stop=stop, say=say)
                found = await unless_stopped(work, watcher, stop)
            except (LaunchError, TargetUnusable) as error:
                failed.append(Missing(engine.name, str(error)))
                say(f"{engine.name}: {str(error).partition(chr(10))[0]}")
            else:
                if found is not None:
                    conditions = replace(found.conditions, machine=machine)
                    results.append(replace(found, conditions=conditions))
    whole = together(results)
    if whole is not None and len(results) + len(failed) < len(engines):
        whole = replace(whole, interrupted=True)
    return Comparison(whole, tuple(failed), stop.is_set())


async def _one(
    engine: Engine,
    course: Course,
    watcher: Watcher,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> Result:
    async with _targets(engine, course, say) as targets:
        plan = replace(course.plan, targets=targets)
        return await benchmark(
            plan, course.prompts, command=course.command, watcher=watcher, stop=stop, say=say
        )


@asynccontextmanager
async def _targets(
    engine: Engine, course: Course, say: Callable[[str], None]
) -> AsyncIterator[tuple[Target, Target]]:
    """The engine and a gateway before it, both running."""
    model = course.weights.name
    async with AsyncExitStack() as stack:
        say(f"starting {engine.name} …")
        # Only while a process is born: one that has crashed is started again at any time.
        spawning = partial(kept_to, course.cores.engine if course.cores else None)
        runner = LaunchedRunner(engine.spec, grace_s=_GRACE_S, spawning=spawning)
        stack.push_async_callback(runner.stop)
        await runner.start()
        if engine.backend == "ollama":
            await take_in(engine.spec, course.weights, runner.url, engine.cores)
        front = await stack.enter_async_context(
            gateway_before(
                engine,
                model,
                url=runner.url,
                folder=course.weights.folder / "gateway",
                queue_s=course.queue_s,
            )
        )
        raw = Target(
            name=f"{engine.name}, raw",
            group=engine.name,
            url=runner.url,
            model=model,
            kind=engine.backend,
            slots=engine.slots,
            flags=engine.flags,
        )
        queued = replace(raw, name=f"{engine.name}, gateway", url=front, path="gateway")
        yield raw, queued


def together(results: Sequence[Result]) -> Result | None:
    """One result that holds the steps and targets of all; None for none. Pure.

    They share their plan and their machine, so the conditions of the first are those of all.
    """
    if not results:
        return None
    first = results[0]
    targets = tuple(target for each in results for target in each.conditions.targets)
    places = {target.name: place for place, target in enumerate(targets)}
    steps = [step for each in results for step in each.steps]
    return replace(
        first,
        interrupted=any(each.interrupted for each in results),
        conditions=replace(first.conditions, targets=targets),
        steps=tuple(sorted(steps, key=lambda step: (step.users or 0, places[step.target]))),
    )
