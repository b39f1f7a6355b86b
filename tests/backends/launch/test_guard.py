from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from backends.launch import guard
from tests.backends.launch.processes import is_gone

Guarded = Callable[..., "subprocess.Popen[bytes]"]

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "
# Prints the process id of a deaf child once that is deaf, and goes on.
PARENT = (
    "import subprocess, sys;"
    f"child = subprocess.Popen([sys.executable, '-c', {DEAF + 'signal.pause()'!r}],"
    " stdout=subprocess.PIPE);"
    "child.stdout.readline(); print(child.pid, flush=True);"
)


@pytest.fixture
def status() -> Iterator[tuple[int, int]]:
    """The pipe on which a guard tells the process id of its command."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def guarded(status: tuple[int, int]) -> Iterator[Guarded]:
    """Start a guard over a Python program, or another command; its stdin is ours to close."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        if len(command) == 1:
            command = (sys.executable, "-S", "-c", *command)
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", str(guard.__file__), "0.3", str(status[1]), *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=status[1:],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.communicate(timeout=10)


def line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Do what happens to its stdin when the gateway dies."""
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_the_commands_exit_status_is_passed_on(guarded: Guarded, program: str, code: int) -> None:
    assert guarded(program).wait(10) == code


def test_a_command_that_cannot_be_run_is_named() -> None:
    argv = (sys.executable, "-I", "-S", str(guard.__file__), "1", "1", "/gone/server")
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.PIPE, check=False)
    assert done.returncode == 127
    assert b"cannot run /gone/server: No such file" in done.stderr


def test_the_command_has_a_session_of_its_own_and_nothing_to_read(guarded: Guarded) -> None:
    program = "import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()))"
    assert line(guarded(program)) == b"True ''\n"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_command_neither_ignores_nor_blocks_the_signals_that_python_does(
    guarded: Guarded,
) -> None:
    process = guarded("grep", "-E", "SigIgn|SigBlk", "/proc/self/status")
    for _ in range(2):
        mask = int(line(process).split()[1], 16)
        assert not mask & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGTERM - 1)


def test_the_process_id_of_the_command_is_told(guarded: Guarded, status: tuple[int, int]) -> None:
    printed = line(guarded("import os; print(os.getpid())"))
    assert os.read(status[0], 64) == printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_guard_ends_the_command(guarded: Guarded, number: signal.Signals) -> None:
    process = guarded("import time; print('up', flush=True); time.sleep(60)")
    assert line(process) == b"up\n"
    process.send_signal(number)
    assert process.wait(10) == 143


def test_the_end_of_stdin_ends_a_deaf_command_and_its_deaf_child(guarded: Guarded) -> None:
    process = guarded(PARENT + DEAF + "signal.pause()")
    child = int(line(process))
    assert line(process) == b"deaf\n"
    let_go(process)
    assert process.wait(10) == 137
    assert is_gone(child)


def test_what_a_command_leaves_behind_ends_with_it(guarded: Guarded) -> None:
    process = guarded(PARENT + "raise SystemExit(4)")
    child = int(line(process))
    assert process.wait(10) == 4
    assert is_gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets orphans be adopted")
def test_what_a_command_leaves_behind_is_buried_too(guarded: Guarded) -> None:
    process = guarded(PARENT + "raise SystemExit(4)")
    child = int(line(process))
    process.wait(10)
    assert not psutil.pid_exists(child)


def test_a_gateway_that_dies_while_the_guard_starts_leaves_no_command(
    guarded: Guarded, status: tuple[int, int]
) -> None:
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), status[0])  # nobody reads the pipe any more
    process = guarded("import time; time.sleep(60)")
    assert process.wait(10) == 143
