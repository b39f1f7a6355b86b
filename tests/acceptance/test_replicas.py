"""Replicas that die and stall: the slots stay exact, come back in time, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.departure import fact
from tests.acceptance.held import held
from tests.acceptance.replicas import (
    SLOTS,
    TOKENS_PER_S,
    Replica,
    own_id,
    replicas,
    running,
)
from tests.fakes.ollama_http import Seen
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CALLERS = 20
"""Of each of three replicas."""
BACK_S = 11.0
STALL_S = 12.0
LONG_TOKENS = TOKENS_PER_S * 17
"""Of an answer that takes longer than any lease of a replica that stalls."""


async def test_replicas_die_and_stall_and_the_slots_stay_exact(tmp_path: Path) -> None:
    with server() as store:
        async with (
            FakeRunner("vllm", tokens_per_s=TOKENS_PER_S) as runner,
            replicas(tmp_path, runner, store, count=3) as (steady, stalls, dies),
        ):
            over = asyncio.Event()
            async with asyncio.TaskGroup() as callers:
                for replica in (steady, stalls, dies):
                    for _ in range(CALLERS):
                        callers.create_task(replica.ask_until(over))
                await fact(lambda: len(runner.inferences) > 20, within_s=30)
                assert runner.max_in_flight == SLOTS
                await _dies(runner, dies)
                long = callers.create_task(stalls.ask(LONG_TOKENS))
                await _stalls(runner, stalls, long)
                await fact(lambda: any(map(stalls.mine, running(runner))), within_s=30)
                over.set()
            assert set(steady.statuses + stalls.statuses) == {200}
            assert steady.lost == stalls.lost == 0
            sent = Counter(own_id(seen) for seen in runner.inferences)
            assert [id for id, times in sent.items() if times > 1] == []
            await fact(lambda: held(store) == {}, within_s=20)


async def _dies(runner: FakeRunner, replica: Replica) -> None:
    """Kill it while it holds a slot: all slots are used again in time."""
    await fact(lambda: any(map(replica.mine, running(runner))), within_s=30)
    replica.process.signal(signal.SIGKILL)
    killed = time.monotonic()
    await fact(lambda: not any(map(replica.mine, running(runner))))
    await fact(lambda: runner.in_flight == SLOTS, within_s=BACK_S)
    assert time.monotonic() - killed < BACK_S
    assert runner.max_in_flight == SLOTS


async def _stalls(runner: FakeRunner, replica: Replica, long: asyncio.Task[None]) -> None:
    """Stop it while it holds slots, and let it go on after its leases have ended."""
    await fact(lambda: long.done() or any(map(_is_long, running(runner))), within_s=60)
    assert not long.done(), replica.statuses
    replica.process.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    held_by_it = sum(map(replica.mine, running(runner)))
    await fact(lambda: time.monotonic() - stopped > STALL_S, within_s=STALL_S + 5)
    # What it held may run beside what was granted in its place, and nothing else may.
    assert runner.max_in_flight <= SLOTS + held_by_it
    assert any(map(_is_long, running(runner)))
    replica.process.signal(signal.SIGCONT)


def _is_long(seen: Seen) -> bool:
    return bool(seen.json["max_tokens"] == LONG_TOKENS)
