from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.backends.launch.processes import is_gone, wait_until
from tests.backends.launch.watched import fake_command

Gateway = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def child(tmp_path: Path) -> Path:
    return tmp_path / "child"


@pytest.fixture
def gateway(model_file: Path, child: Path) -> Iterator[Gateway]:
    """Start a gateway with two runners, both deaf to SIGTERM and with a child that is deaf too."""
    started: list[subprocess.Popen[str]] = []

    def start(how: str) -> subprocess.Popen[str]:
        module = "tests.backends.launch.gateway_process"
        command = fake_command("deaf", f"child={child}")
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(model_file), command, how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def everyone(process: subprocess.Popen[str], child: Path) -> list[int]:
    """Both runners, the later one's child, and both guards."""
    assert process.stdout is not None
    runners = [int(word) for word in process.stdout.readline().split()]
    guards = [psutil.Process(runner).ppid() for runner in runners]
    return [*runners, *guards, int(child.read_text())]


def test_a_gateway_killed_outright_takes_its_runners_and_their_children_along(
    gateway: Gateway, child: Path
) -> None:
    process = gateway("wait")
    pids = everyone(process, child)
    assert len(pids) == 5
    process.kill()
    wait_until(lambda: all(map(is_gone, pids)), within_s=3)


def test_a_gateway_that_breaks_off_without_stopping_anything_leaves_nothing(
    gateway: Gateway, child: Path
) -> None:
    process = gateway("break")
    assert process.wait(20) == 1
    pids = [int(word) for word in process.stdout.readline().split()] if process.stdout else []
    pids.append(int(child.read_text()))
    assert len(pids) == 3
    wait_until(lambda: all(map(is_gone, pids)), within_s=3)
