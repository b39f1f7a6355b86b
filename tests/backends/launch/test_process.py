from __future__ import annotations

import asyncio
import os
import signal
import sys

import psutil
import pytest

from backends.launch.commands.base import Command
from backends.launch.process import RunnerProcess
from tests.backends.launch.processes import children, eventually, is_gone

pytestmark = pytest.mark.anyio

FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def spawn(program: str, **env: str) -> RunnerProcess:
    command = Command("a program", (sys.executable, "-S", "-c", program), env, "/health")
    return RunnerProcess(command, grace_s=0.3)


async def test_the_end_is_told_with_all_that_was_printed() -> None:
    process = spawn("import sys; print('out'); sys.stdout.flush(); sys.exit('err')")
    assert await process.exited == 1
    assert process.output_tail() == ("out", "err")
    await process.stop()


async def test_the_environment_is_inherited_but_for_our_own_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICEGATE_STORE__URL", "redis://:secret@store")
    monkeypatch.setenv("PLAIN", "kept")
    program = (
        "import os; print(*(os.environ.get(k) for k in ('PLAIN', 'MORE', 'SLUICEGATE_STORE__URL')))"
    )
    process = spawn(program, MORE="added")
    await process.exited
    assert process.output_tail() == ("kept added None",)


async def test_stop_is_idempotent_and_leaves_nothing() -> None:
    process = spawn(FOREVER)
    await eventually(lambda: process.output_tail() == ("up",))
    await asyncio.gather(process.stop(), process.stop())
    await process.stop()
    assert await process.exited == 143
    assert children() == set()


async def test_cancelling_stop_does_not_keep_the_process_alive() -> None:
    process = spawn("import signal; signal.signal(15, signal.SIG_IGN);" + FOREVER)
    await eventually(lambda: process.output_tail() == ("up",))
    stopping = asyncio.create_task(process.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await asyncio.wait_for(process.exited, 10) == 137
    assert children() == set()


async def test_a_runner_goes_with_its_guard_when_that_is_killed() -> None:
    process = spawn(FOREVER)
    await eventually(lambda: process.output_tail() == ("up",))
    pid = process.pid
    assert pid is not None
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert await asyncio.wait_for(process.exited, 10) == -signal.SIGKILL
    await eventually(lambda: is_gone(pid))


async def test_stopping_before_the_command_runs_leaves_nothing() -> None:
    process = spawn(FOREVER)
    await process.stop()
    assert children() == set()


async def test_no_file_stays_open() -> None:
    before = psutil.Process().num_fds()
    for _ in range(3):
        process = spawn("print('hello')")
        await process.exited
        await process.stop()
    assert psutil.Process().num_fds() == before
