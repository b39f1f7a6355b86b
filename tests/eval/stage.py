"""Replicas as operators run them, on one store, before one simulated runner: all in processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from tests.acceptance.gateway_process import ROOT, GatewayProcess, gateway_process
from tests.eval.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands behind the replicas, and how they are configured beyond that."""

    slots: int = 2
    mean_s: float = 1.0
    cv: float = 0.0
    tokens: int = 4
    seed: int = 1
    replicas: int = 3
    config: Mapping[str, Any] | None = None
    unlimited: bool = False
    """The gateway does not queue: what is measured happens before that."""

    def configuration(self, store_url: str, runner_url: str) -> dict[str, Any]:
        """For every replica alike."""
        slots = "unlimited" if self.unlimited else self.slots
        runner = {"backend": "openai", "url": runner_url, "slots": slots}
        model = {"backends": {"openai": {"runners": ["sim"], "model": "sim"}}}
        base = {
            "store": {"url": store_url},
            "runners": {"sim": runner},
            "models": {"demo": model, "other": model},
        }
        return _merged(base, self.config or {})


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(below, value) if both else value
    return merged


@dataclass(frozen=True, slots=True)
class Stage:
    """Who is there."""

    replicas: list[GatewayProcess]
    runner_url: str

    def base_url(self, number: int) -> str:
        """What a client of that number gives its library: clients are spread evenly.

        Without replicas it is the runner's own.
        """
        if not self.replicas:
            return f"{self.runner_url}/v1"
        return self.replicas[number % len(self.replicas)].base_url

    async def timeline(self) -> Timeline:
        """All that has happened on the runner."""
        async with httpx2.AsyncClient(timeout=30) as client:
            return Timeline.of((await client.get(f"{self.runner_url}/sim/log")).json())


@asynccontextmanager
async def stage(plan: Plan, store_url: str) -> AsyncIterator[Stage]:
    """Start all of it, and end all of it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="eval-")))
        runner_url = stack.enter_context(_runner(plan))
        config = plan.configuration(store_url, runner_url)
        replicas = [
            await stack.enter_async_context(gateway_process(folder / f"replica{n}", config))
            for n in range(plan.replicas)
        ]
        yield Stage(replicas, runner_url)


@contextmanager
def runner_alone(plan: Plan) -> Iterator[Stage]:
    """The runner without a gateway before it."""
    with _runner(plan) as url:
        yield Stage([], url)


@contextmanager
def _runner(plan: Plan) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.eval.sim_runner", "--slots", str(plan.slots * 100)]
    # It would take a hundred times as many at once: whatever keeps to the slots is the gateway.
    command += ["--mean-s", str(plan.mean_s), "--cv", str(plan.cv), "--seed", str(plan.seed)]
    command += ["--tokens", str(plan.tokens)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()
