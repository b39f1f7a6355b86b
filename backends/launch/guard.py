"""Run one command so that it cannot outlive whoever holds the other end of our stdin. A program.

    python -I -S guard.py GRACE_S STATUS_FD COMMAND [ARGUMENT ...]

The command gets a session of its own, our stdout and stderr, and nothing to read. When stdin comes
to its end (the gateway let go of it or was killed, be it with SIGKILL) or a SIGTERM, SIGINT or
SIGHUP comes, the whole process group gets SIGTERM and, GRACE_S seconds later, SIGKILL; whatever the
command leaves behind in its group goes the same way when it ends by itself. The command's process
id is written to STATUS_FD as one line. The exit status is the command's, 128 + N for signal N,
127 if it cannot be run.

Started by path, isolated and without `site`, with few imports: it is up in about 20 ms.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Handlers end with exec, but what is ignored stays ignored, and Python ignores the last two.
_RESTORED = (*_STOPPING, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.02
_LAST_WAIT_S = 1.0


def main(argv: list[str]) -> int:
    """Run the command to its end, or end it."""
    grace_s, status_fd, command = float(argv[0]), int(argv[1]), argv[2:]
    os.set_inheritable(status_fd, False)
    wake = _watch_signals()
    _adopt_orphans()
    try:
        pid = _start(command)
    except OSError as exc:
        print(f"cannot run {command[0]}: {exc.strerror}", file=sys.stderr)
        return 127
    try:
        os.write(status_fd, b"%d\n" % pid)
        code = _wait(pid, wake)
    except BrokenPipeError:  # the gateway died while we started
        code = None
    return _end_group(pid, code, grace_s)


def _watch_signals() -> int:
    wake, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (*_STOPPING, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return wake


def _adopt_orphans() -> None:
    # What the command leaves behind becomes our child. Otherwise process 1 would have to wait for
    # it, which in a container is often a program that does not: the dead would count as alive.
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            return


def _start(command: list[str]) -> int:
    # Returns only once the command has been executed, so that no signal can fall in between.
    return os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESTORED,
    )


def _wait(pid: int, wake: int) -> int | None:
    """The exit code once the command has ended by itself, None once it is to be ended."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 512):
            return None
        if wake in ready and not set(_STOPPING).isdisjoint(os.read(wake, 512)):
            return None
        code = _reap(pid)
        if code is not None:
            return code


def _reap(pid: int) -> int | None:
    """Bury the dead; the command's exit code if it is among them."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if not ended:
            return code
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


def _end_group(pid: int, code: int | None, grace_s: float) -> int:
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _LAST_WAIT_S)):
        deadline = time.monotonic() + wait_s
        alive = _signal_group(pid, number)
        while alive or code is None:
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
            ended = _reap(pid)
            code = ended if code is None else code
            alive = _signal_group(pid, 0)
        else:
            return code
    return 128 + signal.SIGKILL if code is None else code


def _signal_group(pid: int, number: int) -> bool:
    """Whether there is still a group to signal."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
