"""The processes of a run: started, pinned to a core, their CPU time read, and ended."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED in the kernel's clock ids: (~pid << 3) | 2


class BenchError(Exception):
    """The bench cannot measure; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the proxies share, and which the stub and the load; None: nothing is pinned."""

    proxy: int | None
    load: int | None

    @classmethod
    def split(cls) -> Cores:
        """The last core for the proxies, the first for the rest, where the system can pin."""
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return cls(allowed[-1], allowed[0]) if len(allowed) > 1 else cls(None, None)


@dataclass(slots=True)
class Contender:
    """A running server under load: `pids` are the processes that its CPU time counts."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    pids: tuple[int, ...]
    store_pids: tuple[int, ...] = field(default=())

    def cpu_s(self) -> float:
        """User and system time so far, in seconds, of all its processes."""
        return sum(cpu_s(pid) for pid in self.pids)

    def store_cpu_s(self) -> float:
        """The same for the store that a gateway has started, if it has."""
        return sum(cpu_s(pid) for pid in self.store_pids)

    def rss_mb(self) -> float:
        """Resident memory of its processes, in MB (10⁶ bytes)."""
        return float(sum(psutil.Process(pid).memory_info().rss for pid in self.pids) / 1e6)

    def stop(self) -> None:
        """Terminate it and wait, at most ten seconds; then kill it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cpu_s(pid: int) -> float:
    """User and system time of a process, in seconds.

    Linux reads the process's own CPU clock, to the nanosecond; /proc and psutil count the same
    time in steps of 10 ms, which is too coarse for a round of nginx.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            return time.clock_gettime_ns((~pid << 3) | _CLOCK_OF_PROCESS) / 1e9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def spawn(
    command: Sequence[str],
    *,
    core: int | None,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process pinned to `core`; what it prints goes to `log`, else nowhere."""
    with open(log or os.devnull, "ab") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=out)
    pin(process.pid, core)
    return process


def pin(pid: int, core: int | None) -> None:
    """Keep a process, and what it will start, on one core; 0 is the caller."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(
    port: int,
    path: str,
    process: subprocess.Popen[bytes],
    *,
    log: Path | None,
    timeout_s: float = 30.0,
) -> None:
    """Return when `path` answers 200. Raises BenchError when the process ends or time runs out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if get(port, path)[0] == 200:
            return
        if process.poll() is not None:
            code = process.returncode
            raise BenchError(f"{process.args!r} ended with exit code {code}{_tail(log)}")
        time.sleep(0.005)
    process.kill()
    raise BenchError(f"{path} of {process.args!r} was not 200 in {timeout_s:.0f} s{_tail(log)}")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one GET; status 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _tail(log: Path | None) -> str:
    if log is None:
        return " (its output was not kept: `--only startup` shows it)"
    return ", its last words:\n" + log.read_text(errors="replace")[-2000:]


def start_stub(core: int | None, root: Path, *, step_ms: float) -> Contender:
    """Start the stub runner on the core of the load."""
    command = [sys.executable, "-m", "tests.perf.stub_runner", "--step-ms", str(step_ms)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
    pin(process.pid, core)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"the stub runner did not start: exit code {process.wait()}")
    return Contender("stub", int(line), process, (process.pid,))
