"""`sluicegate top` on a real terminal: what it draws, and how it leaves the terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.gateway_process import COMMAND, ROOT
from tests.acceptance.test_admin import TOKEN, with_admin
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


@dataclass(slots=True)
class Terminal:
    """A pseudo-terminal with the command in it."""

    descriptor: int
    process: subprocess.Popen[bytes]
    shown: bytearray = field(default_factory=bytearray)

    def read(self) -> None:
        try:
            self.shown += os.read(self.descriptor, 65536)
        except OSError:  # Linux says so when the last process has closed it
            asyncio.get_running_loop().remove_reader(self.descriptor)

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)

    async def shows(self, text: str) -> None:
        """Wait until this was drawn after now."""
        self.shown.clear()
        await fact(lambda: text.encode() in self.shown, within_s=20)

    async def ended(self) -> int:
        await fact(lambda: self.process.poll() is not None)
        await fact(lambda: LEFT in self.shown)
        return int(self.process.returncode)


@asynccontextmanager
async def top_on_a_terminal(here: Here) -> AsyncIterator[Terminal]:
    """The live view of a gateway, 80 x 24, entered."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    terminal = Terminal(ours, _start(here, theirs))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, terminal.read)
    try:
        terminal.resize(80, 24)
        await terminal.shows("Nobody waits.")
        # Keys come one by one, and do not show.
        assert not termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ICANON)
        yield terminal
        assert await terminal.ended() == 0
        assert bytes(terminal.shown).endswith(b"\x1b[?25h" + LEFT)
        assert termios.tcgetattr(theirs) == before
    finally:
        loop.remove_reader(ours)
        terminal.process.kill()
        terminal.process.wait()
        os.close(ours)
        os.close(theirs)


def _start(here: Here, terminal: int) -> subprocess.Popen[bytes]:
    environ = {"SLUICEGATE_ADMIN__TOKEN": TOKEN, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    return subprocess.Popen(
        [*COMMAND, "top", "--url", f"http://127.0.0.1:{here.admin_port}"],
        env={"PATH": os.environ["PATH"]} | environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with FakeRunner("vllm") as runner:
        config = with_admin(tmp_path, one_model("vllm", runner.url))
        async with gateway_here(tmp_path / "gateway", config) as here:
            yield here


async def test_it_is_drawn_anew_each_second_and_q_ends_it(here: Here) -> None:
    async with top_on_a_terminal(here) as terminal:
        await terminal.shows("IN FLIGHT")
        await terminal.shows("IN FLIGHT")
        os.write(terminal.descriptor, b"xyz")  # means nothing
        await terminal.shows("box")
        os.write(terminal.descriptor, b"q")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_and_the_terminal_is_as_before(
    here: Here, number: signal.Signals
) -> None:
    async with top_on_a_terminal(here) as terminal:
        terminal.process.send_signal(number)


async def test_another_size_is_used(here: Here) -> None:
    async with top_on_a_terminal(here) as terminal:
        await terminal.shows("BACKEND")
        terminal.resize(60, 10)
        # The kernel tells a terminal's own group only, and this one has none.
        terminal.process.send_signal(signal.SIGWINCH)
        await terminal.shows("RUNNER            STATE")
        os.write(terminal.descriptor, b"q")


async def test_a_gateway_that_went_away_is_waited_for(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner, AsyncExitStack() as beyond:
        config = with_admin(tmp_path, one_model("vllm", runner.url))
        async with gateway_here(tmp_path / "gateway", config) as here:
            config["admin"]["port"] = here.admin_port
            terminal = await beyond.enter_async_context(top_on_a_terminal(here))
        await terminal.shows("NOT OF NOW: cannot connect")
        async with gateway_here(tmp_path / "gateway", config):
            await fact(lambda: b"NOT OF NOW" not in terminal.shown.rpartition(b"\x1b[H")[2])
            os.write(terminal.descriptor, b"q")
            await terminal.ended()
