"""One runner process under its guard: started, drained, waited for, ended.

Not `asyncio.create_subprocess_exec`, whose transport sends SIGKILL to its process when it is thrown
away, as on an interpreter that ends in an error: the guard would die and the runner live on. Here
all that a lost owner can do is to close a pipe, and that is what the guard waits for. It also makes
starting one synchronous step, in which no cancellation can fall.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from backends.launch.commands.base import Command
from backends.launch.output import OutputTail

_GUARD = Path(__file__).with_name("guard.py")
_READ_BYTES = 65_536
_LAST_READS = 32
_REAP_S = 0.002
# What the guard takes at most beyond the grace: SIGKILL, a last wait, its own end.
_GUARD_S = 3.0


class RunnerProcess:
    """A running command. Needs a running event loop; use it from that loop only."""

    def __init__(
        self, command: Command, *, grace_s: float, inherited: tuple[int, ...] = ()
    ) -> None:
        """Start it. Raises `OSError` or `ValueError` when not even the guard can be started.

        `inherited` are files that guard and command keep open as long as they live.
        """
        self._loop = asyncio.get_running_loop()
        self._grace_s = grace_s
        self._tail = OutputTail()
        self._pid = b""
        self.exited: asyncio.Future[int] = self._loop.create_future()
        """The exit status: the command's, 128 + N for signal N. Do not cancel it."""
        self._status_fd, status_w = os.pipe()
        try:
            self._guard = _start_guard(command, grace_s, status_w, inherited)
        except BaseException:
            os.close(self._status_fd)
            raise
        finally:
            os.close(status_w)
        self._stdin, self._stdout = _pipes(self._guard)
        for fd, read in (
            (self._stdout.fileno(), self._read_output),
            (self._status_fd, self._read_status),
        ):
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, read)

    @property
    def pid(self) -> int | None:
        """Process (and group) id of the command, not of its guard; None until it has started."""
        return int(self._pid) if self._pid.endswith(b"\n") else None

    def output_tail(self) -> tuple[str, ...]:
        """The last lines it printed, stdout and stderr together."""
        return self._tail.lines()

    async def stop(self) -> None:
        """End the whole process group: SIGTERM, `grace_s`, SIGKILL. Idempotent.

        The end is certain once this has been called: cancelling it only ends the waiting for it.
        """
        self._stdin.close()
        try:
            async with asyncio.timeout(self._grace_s + _GUARD_S):
                await asyncio.shield(self.exited)
        except TimeoutError:
            self._guard.kill()
            await asyncio.shield(self.exited)

    def _read_output(self) -> bool:
        """Take one piece of output; False when there is none to be had now."""
        try:
            data = os.read(self._stdout.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._stdout.fileno())
        self._tail.feed(data)
        return bool(data)

    def _read_status(self) -> None:
        data = os.read(self._status_fd, 64)
        self._pid += data
        if not data:  # only the guard held the other end: it is gone
            self._loop.remove_reader(self._status_fd)
            os.close(self._status_fd)
            self._reap()

    def _reap(self) -> None:
        code = self._guard.poll()
        if code is None:  # its files are closed a moment before it can be waited for
            self._loop.call_later(_REAP_S, self._reap)
            return
        if code < 0 and self.pid is not None:  # the guard itself was killed and left us its work
            _kill_group(self.pid)
        self._stdin.close()
        # Bounded: a process that has left the group may hold the pipe and go on writing.
        for _ in range(_LAST_READS):
            if not self._read_output():
                break
        self._loop.remove_reader(self._stdout.fileno())
        self._stdout.close()
        self.exited.set_result(code)


def _start_guard(
    command: Command, grace_s: float, status_fd: int, inherited: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    # -I and -S: neither the environment nor installed packages can slow it down or change it.
    guard = (sys.executable, "-I", "-S", str(_GUARD), str(grace_s), str(status_fd))
    return subprocess.Popen(
        (*guard, *command.argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(status_fd, *inherited),
        env=_environment(command),
        start_new_session=True,  # Ctrl-C is for the gateway, which then ends its runners in order
        bufsize=0,
    )


def _environment(command: Command) -> dict[str, str]:
    # A runner needs PATH, HOME, CUDA_*, but none of our own settings: they may hold secrets.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
    return {**inherited, **command.env}


def _pipes(guard: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert guard.stdin is not None
    assert guard.stdout is not None
    return guard.stdin, guard.stdout


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
