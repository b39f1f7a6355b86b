"""What a probe tells of a real llama-server that sleeps, works, or wants a key."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from backends.base import RunnerState
from tests.contracts.rig import Rig
from tests.fakes import real_runner

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
    ),
]


async def test_probes_neither_wake_a_server_nor_keep_it_awake(tiny: Path) -> None:
    with real_runner.llama_server(tiny, "sleep_idle_seconds=1") as url:
        rig = Rig("llamacpp", url)
        assert (await rig.backend.probe()).state is RunnerState.READY
        async with asyncio.timeout(15):
            while (await rig.backend.probe()).state is not RunnerState.ASLEEP:
                pass
        probe = await rig.backend.probe()
        assert probe.state is RunnerState.ASLEEP
        assert probe.wakes
        await rig.reply(rig.prepare())
        assert (await rig.backend.probe()).state is RunnerState.READY
        await rig.backend.aclose()


async def test_a_server_with_every_slot_in_use_is_busy(tiny: Path) -> None:
    with real_runner.llama_server(tiny, parallel=1) as url:
        rig = Rig("llamacpp", url)
        assert (await rig.backend.probe()).slots == 1
        prepared = rig.prepare(stream=True, max_tokens=2000, ignore_eos=True)
        states = set()
        async with rig.opened(prepared) as response, asyncio.timeout(15):
            await response.chunk()
            while RunnerState.BUSY not in states and not response.complete:
                states.add((await rig.backend.probe()).state)
        assert RunnerState.BUSY in states
        await rig.backend.aclose()
