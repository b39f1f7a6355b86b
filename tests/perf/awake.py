"""Keep a core from falling asleep while CPU time is measured on it.

    python -m tests.perf.awake CORE

A virtual core that is idle is given to somebody else, and comes back with cold caches. How much CPU
time a call then takes says how often the proxy had to wait, for a store or a load that is busy,
rather than what it does: up to a third more. So a process that gives way to every other one spins
there. It is the same for every proxy. Begin when the proxies have started: beside it, a process
that begins a session of its own may get no time at all (seen on Linux 6.18).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

from tests.perf.contender import Cores, spawn

ROOT = Path(__file__).parents[2]


def keep_awake(cores: Cores, stack: ExitStack) -> None:
    """Until the stack is unwound; nothing where the system has no such processes."""
    if not hasattr(os, "SCHED_IDLE"):
        return
    for core in (cores.proxy, cores.load):
        if core is not None:
            command = [sys.executable, "-m", "tests.perf.awake", str(core)]
            stack.callback(_end, spawn(command, core=core, cwd=ROOT))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _spin(core: int) -> None:
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    parent = os.getppid()
    while os.getppid() == parent:
        # A loop within one function of the interpreter, which takes nothing of the core's caches.
        deque(repeat(None, 50_000_000), maxlen=0)


if __name__ == "__main__":
    _spin(int(sys.argv[1]))
