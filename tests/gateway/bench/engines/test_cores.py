"""Cores are shared out, kept to and given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from backends.launch.runner import LaunchedRunner
from backends.launch.spec import LaunchSpec
from gateway.bench.engines.cores import CoresMissing, kept_to, share_out
from tests.backends.launch.processes import eventually
from tests.backends.launch.watched import fake_command

needs_linux = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="only Linux keeps processes to cores"
)
needs_two = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")


@needs_linux
@needs_two
def test_engine_and_load_share_no_core() -> None:
    ours = os.sched_getaffinity(0)
    cores = share_out(1)
    assert len(cores.engine) == 1
    assert cores.engine | cores.load == ours
    assert not cores.engine & cores.load


@needs_linux
def test_an_engine_that_would_take_all_of_them_is_refused() -> None:
    every = len(os.sched_getaffinity(0))
    with pytest.raises(CoresMissing, match=f"{every} for the engine leave none"):
        share_out(every)


def test_where_it_cannot_be_done_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pytest.raises(CoresMissing, match="only Linux"):
        share_out(1)


@needs_linux
@needs_two
def test_whoever_is_started_meanwhile_keeps_to_them_and_we_do_only_meanwhile() -> None:
    before = os.sched_getaffinity(0)
    asked = (sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))")
    one = frozenset({min(before)})
    with suppress(KeyError), kept_to(one):
        assert os.sched_getaffinity(0) == one
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert said.strip() == str(sorted(one))
        raise KeyError
    assert os.sched_getaffinity(0) == before


@needs_linux
def test_nothing_wanted_changes_nothing() -> None:
    before = os.sched_getaffinity(0)
    with kept_to(None):
        assert os.sched_getaffinity(0) == before


@needs_linux
@needs_two
@pytest.mark.anyio
async def test_a_runner_that_crashed_is_kept_to_them_again(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    one = frozenset({max(before)})
    model = tmp_path / "model.gguf"
    model.touch()
    spec = LaunchSpec("fake", "llamacpp", model=str(model), command=fake_command())
    runner = LaunchedRunner(spec, grace_s=0.3, spawning=partial(kept_to, one))
    await runner.start()
    try:
        first = runner.pid
        assert first is not None
        assert os.sched_getaffinity(first) == one
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: runner.pid not in (None, first) and runner.state == "ready")
        assert runner.pid is not None
        assert os.sched_getaffinity(runner.pid) == one
        assert os.sched_getaffinity(0) == before
    finally:
        await runner.stop()
