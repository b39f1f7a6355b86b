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
from gateway.bench.engines.cores import CoresMissing, kept_to, share_out, siblings_of
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


def threads(*physical: tuple[int, ...]) -> dict[int, frozenset[int]]:
    """The siblings of each thread of these physical cores."""
    return {core: frozenset(group) for group in physical for core in group}


HALVES = threads((0, 4), (1, 5), (2, 6), (3, 7))
"""Four cores of two threads, numbered as x86 numbers them."""


@needs_linux
@pytest.mark.parametrize(
    ("siblings", "wanted", "engine"),
    [
        (HALVES, 2, {0, 4}),
        (HALVES, 4, {0, 4, 1, 5}),
        (HALVES, 3, {0, 4, 1, 5}),
        (HALVES, 6, {0, 4, 1, 5, 2, 6}),
        (threads((0, 1), (2, 3)), 1, {0, 1}),
        (threads((0, 1), (2,), (3,)), 3, {0, 1, 2}),
        (threads((0,), (1,), (2,)), 2, {0, 1}),
    ],
)
def test_threads_of_one_core_stay_on_one_side(
    siblings: dict[int, frozenset[int]], wanted: int, engine: set[int]
) -> None:
    cores = share_out(wanted, siblings)
    assert cores.engine == engine
    assert cores.load == siblings.keys() - engine


@needs_linux
def test_a_sibling_that_we_may_not_use_is_given_to_nobody() -> None:
    allowed = {core: HALVES[core] for core in (0, 1, 5)}
    cores = share_out(1, allowed)
    assert (cores.engine, cores.load) == ({0}, {1, 5})


@needs_linux
def test_the_last_core_is_not_parted_either() -> None:
    with pytest.raises(CoresMissing, match="threads of one core stay together"):
        share_out(7, HALVES)


@pytest.mark.parametrize(
    ("text", "siblings"),
    [("0,4\n", {0, 4}), ("0-1\n", {0, 1}), ("0-1,8-9\n", {0, 1, 8, 9}), ("0\n", {0}), ("", {0})],
)
def test_siblings_are_read_in_the_words_of_the_kernel(
    tmp_path: Path, text: str, siblings: set[int]
) -> None:
    (tmp_path / "cpu0").write_text(text)
    assert siblings_of(0, f"{tmp_path}/cpu{{}}") == siblings
    assert siblings_of(1, f"{tmp_path}/cpu{{}}") == {1}


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
