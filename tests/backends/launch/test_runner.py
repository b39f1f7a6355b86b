from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from backends.launch.errors import LaunchError
from backends.launch.output import MAX_LINES
from tests.backends.launch.processes import children, eventually, is_gone
from tests.backends.launch.watched import Launch

pytestmark = pytest.mark.anyio


class Waits:
    """A `sleep` that takes no time and remembers."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    async def __call__(self, delay_s: float) -> None:
        self.seen.append(delay_s)


def kill(pid: int | None) -> None:
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)


def pid_in(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.read_text().endswith("\n")


async def test_start_returns_once_it_is_ready_and_stop_leaves_nothing(launch: Launch) -> None:
    async with launch() as watched:
        runner = watched.runner
        await runner.start()
        assert runner.state == "ready"
        assert runner.url.startswith("http://127.0.0.1:")
        assert watched.progress == ["starting llama-server for 'tiny' …"]
        await asyncio.gather(runner.stop(), runner.stop())
        await runner.stop()
        assert (runner.state, runner.pid, children()) == ("stopped", None, set())
        reported = [watched.states.get_nowait()[0] for _ in range(watched.states.qsize())]
        assert reported == ["starting", "ready", "stopped"]


async def test_it_can_be_started_again_after_a_stop_but_not_twice_at_once(launch: Launch) -> None:
    async with launch() as watched:
        runner = watched.runner
        await runner.start()
        with pytest.raises(RuntimeError, match="started already"):
            await runner.start()
        url = runner.url
        await runner.stop()
        await runner.start()
        assert (runner.state, runner.url) == ("ready", url)


async def test_an_exit_before_ready_is_told_with_code_and_output(launch: Launch) -> None:
    async with launch("say=loading", "say=bad magic", "exit=3") as watched:
        with pytest.raises(LaunchError) as caught:
            await watched.runner.start()
        assert "runner 'tiny': llama-server exited with code 3" in str(caught.value)
        assert "  loading\n  bad magic" in str(caught.value)
        assert watched.runner.state == "failed"
        with pytest.raises(LaunchError):
            await watched.runner.start()


async def test_one_that_never_gets_ready_is_ended_and_its_output_shown(launch: Launch) -> None:
    async with launch("say=thinking", "deaf", "mute", spec={"ready_s": 0.6}) as watched:
        with pytest.raises(LaunchError, match=r"not ready within 0\.6 s(.|\n)*thinking"):
            await watched.runner.start()
        assert children() == set()


async def test_waiting_is_reported_about_once_a_second(launch: Launch) -> None:
    async with launch("mute", spec={"ready_s": 1.5}) as watched:
        with pytest.raises(LaunchError):
            await watched.runner.start()
        doing = "starting llama-server for 'tiny' …"
        assert watched.progress == [doing, f"{doing} 1 s"]


async def test_a_missing_program_is_told_without_starting_anything(launch: Launch) -> None:
    async with launch(spec={"command": "gone"}) as watched:
        with pytest.raises(LaunchError, match="correct `command`"):
            await watched.runner.start()
        assert await watched.reach("failed")


async def test_a_pinned_port_that_is_taken_is_told(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with launch(spec={"port": port}) as watched:
            with pytest.raises(LaunchError, match=f"port {port} is taken"):
                await watched.runner.start()


async def test_a_pinned_port_is_used(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with launch(spec={"port": port}) as watched:
        await watched.runner.start()
        assert watched.runner.url == f"http://127.0.0.1:{port}"


async def test_a_lost_race_for_the_port_is_run_again(launch: Launch, tmp_path: Path) -> None:
    async with launch(f"busy-port-unless={tmp_path / 'once'}") as watched:
        await watched.runner.start()
        assert watched.runner.state == "ready"
        assert len(watched.progress) == 2


async def test_cancelling_start_leaves_nothing(launch: Launch, tmp_path: Path) -> None:
    child = tmp_path / "child"
    async with launch("deaf", f"child={child}", "mute") as watched:
        starting = asyncio.create_task(watched.runner.start())
        await eventually(pid_in(child))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert watched.runner.state == "stopped"
        assert is_gone(int(child.read_text()))
        assert children() == set()


@pytest.mark.parametrize("turns", range(4))
async def test_cancelling_start_at_once_leaves_nothing(launch: Launch, turns: int) -> None:
    async with launch() as watched:
        starting = asyncio.create_task(watched.runner.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert children() == set()


async def test_a_stop_while_it_starts_ends_the_start(launch: Launch) -> None:
    async with launch("mute") as watched:
        starting = asyncio.create_task(watched.runner.start())
        await eventually(lambda: watched.runner.pid is not None)
        await watched.runner.stop()
        with pytest.raises(LaunchError, match="stopped while it was starting"):
            await starting


async def test_one_that_ignores_sigterm_is_killed_with_its_child(
    launch: Launch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    async with launch("deaf", f"child={child}") as watched:
        await watched.runner.start()
        pid = watched.runner.pid
        await watched.runner.stop()
        assert pid is not None
        assert is_gone(pid)
        assert is_gone(int(child.read_text()))


async def test_ten_megabytes_of_output_neither_block_nor_pile_up(launch: Launch) -> None:
    async with launch("flood=10000000", "say=", "say=served") as watched:
        await watched.runner.start()
        lines = watched.runner.output_tail()
        assert lines[-1] == "served"
        assert len(lines) == MAX_LINES
        assert sum(map(len, lines)) < 100_000


async def test_a_crash_leads_to_a_new_process_at_the_same_url(launch: Launch) -> None:
    waits = Waits()
    async with launch(sleep=waits) as watched:
        runner = watched.runner
        await runner.start()
        await watched.reach("ready")
        pid, url = runner.pid, runner.url
        kill(pid)
        assert "killed by SIGKILL" in await watched.reach("restarting")
        await watched.reach("ready")
        assert runner.url == url
        assert runner.pid != pid
        assert waits.seen == [0.5]


async def test_a_crash_takes_the_children_along_before_the_restart(
    launch: Launch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    async with launch(f"child={child}", sleep=Waits()) as watched:
        await watched.runner.start()
        orphan, pid = int(child.read_text()), watched.runner.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await watched.reach("restarting")
        assert is_gone(orphan)


async def test_repeated_failure_is_given_up_loudly_with_the_output(
    launch: Launch, tmp_path: Path
) -> None:
    waits, broken = Waits(), tmp_path / "broken"
    async with launch(f"fail-if={broken}", sleep=waits) as watched:
        await watched.runner.start()
        broken.touch()
        kill(watched.runner.pid)
        reason = await watched.reach("failed")
        assert "it failed 5 times in a row and is left alone" in reason
        assert "exited with code 9" in reason
        assert "the weights are gone" in reason
        assert waits.seen == [0.5, 1.0, 2.0, 4.0]
        assert (watched.runner.state, children()) == ("failed", set())


async def test_a_healthy_life_makes_the_next_wait_short_again(launch: Launch) -> None:
    waits, clock = Waits(), [0.0]
    async with launch(sleep=waits, now=lambda: clock[0]) as watched:
        await watched.runner.start()
        for lived_s in (1.0, 1.0, 61.0, 1.0):
            await watched.reach("ready")
            clock[0] += lived_s
            kill(watched.runner.pid)
        await watched.reach("ready")
        assert waits.seen == [0.5, 1.0, 0.5, 1.0]


async def test_a_stop_during_the_wait_before_a_restart_is_obeyed(launch: Launch) -> None:
    waiting = asyncio.Event()

    async def sleep(_delay_s: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with launch(sleep=sleep) as watched:
        await watched.runner.start()
        kill(watched.runner.pid)
        await waiting.wait()
        await watched.runner.stop()
        assert (watched.runner.state, children()) == ("stopped", set())


async def test_another_port_is_taken_if_the_old_one_is_lost(launch: Launch) -> None:
    allowed = asyncio.Event()

    async def sleep(_delay_s: float) -> None:
        await allowed.wait()

    async with launch(sleep=sleep) as watched:
        runner = watched.runner
        await runner.start()
        await watched.reach("ready")
        url = runner.url
        kill(runner.pid)
        await watched.reach("restarting")
        with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
            allowed.set()
            await watched.reach("ready")
        assert runner.url != url


def test_it_works_on_uvloop(launch: Launch) -> None:
    async def crash_and_stop() -> None:
        async with launch("deaf", sleep=Waits()) as watched:
            await watched.runner.start()
            await watched.reach("ready")
            kill(watched.runner.pid)
            await watched.reach("ready")
        assert children() == set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(crash_and_stop())
