"""What the registry makes of the runners of a configuration."""

from __future__ import annotations

import time

import pytest

from gateway.admission import LocalGate
from gateway.routing.connect import connect_runner
from gateway.routing.registry import Registry
from gateway.settings import LaunchSettings, RunnerSettings, Settings

pytestmark = pytest.mark.anyio

LAUNCH = LaunchSettings(model="org/m", command="/nowhere/vllm", parallel=8)


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9"], ids=["to be started", "was started"])
async def test_a_runner_of_ours_has_the_slots_that_it_is_started_with(url: str | None) -> None:
    registry = Registry(
        admission=LocalGate(max_waiting=1, clock=time.monotonic),
        connect=connect_runner,
        progress=lambda text: None,
        publish=lambda table: None,
    )
    own = RunnerSettings(backend="vllm", launch=LAUNCH, url=url)
    try:
        await registry.apply(Settings(runners={"own": own}))
        (runner,) = registry.runners
        assert (runner.working_slots, runner.slots_origin) == (8, "configured")
        assert runner.url == (url or "")
    finally:
        await registry.aclose()
