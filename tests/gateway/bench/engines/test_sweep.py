"""Real engines, real gateways, short loads."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backends.launch.spec import LaunchSpec
from gateway.bench.benchmark import PromptWish
from gateway.bench.engines.cores import share_out
from gateway.bench.engines.engine import Engine
from gateway.bench.engines.front import configuration, gateway_before
from gateway.bench.engines.sweep import Comparison, Course, sweep, together
from gateway.bench.engines.weights import Weights
from gateway.bench.measure import Measured
from gateway.bench.plan import Bounds, Load, Measurement, Plan
from gateway.bench.window import Window
from gateway.settings import load
from tests.acceptance.raw_http import get
from tests.backends.launch.processes import children, eventually
from tests.fakes.runner import FakeRunner
from tests.gateway.bench.made import facts, measured, result, step, timeline

pytestmark = pytest.mark.anyio

needs_xllamacpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)
FAKE_RUNNER = Path(__file__).parents[3] / "backends" / "launch" / "fake_runner.py"


class Watched:
    """Counts measurements; sets `stop` at the start of a wanted one."""

    def __init__(self, stop: asyncio.Event | None = None) -> None:
        self.begun: list[str] = []
        self._stop = stop

    def begin(self, measurement: Measurement) -> None:
        self.begun.append(measurement.target.name)

    def tick(self, window: Window) -> None:
        if self._stop is not None:
            self._stop.set()

    def end(self, measurement: Measurement, measured: Measured) -> None:
        return


def course(folder: Path) -> Course:
    return Course(
        plan=Plan(
            targets=(),
            loads=(Load(users=2), Load(users=1)),
            bounds=Bounds(duration_s=None, requests=4, timeout_s=60),
            repeats=1,
        ),
        prompts=PromptWish(input_tokens=16, output_tokens=4),
        weights=Weights(folder, hidden=384),
        queue_s=30.0,
        command=("sluicegate", "bench", "engines"),
    )


def llama_cpp(folder: Path, slots: int = 2) -> Engine:
    spec = LaunchSpec(
        f"llama.cpp, {slots} slots",
        "llamacpp",
        model=str(Weights(folder, hidden=384).for_llama_cpp()),
        model_name="sluicegate-demo",
        parallel=slots,
        context=512,
        env={"OMP_WAIT_POLICY": "passive"},
    )
    return Engine(spec.name, "llamacpp", spec, slots)


def broken(*words: str) -> Engine:
    command = " ".join(("python3", str(FAKE_RUNNER), *words))
    spec = LaunchSpec("odd", "llamacpp", model=str(FAKE_RUNNER), command=command)
    return Engine("odd", "llamacpp", spec, 1)


async def swept(engines: Sequence[Engine], folder: Path, watcher: Watched) -> Comparison:
    said: list[str] = []
    return await sweep(
        engines, course(folder), watcher=watcher, stop=asyncio.Event(), say=said.append
    )


@needs_xllamacpp
async def test_each_engine_is_asked_both_ways_and_a_broken_one_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    watcher = Watched()
    found = await swept([broken("say=no", "exit=3"), llama_cpp(tmp_path)], tmp_path, watcher)
    assert [each.name for each in found.failed] == ["odd"]
    assert "exited with code 3" in found.failed[0].remedy
    assert found.result is not None
    steps = [(each.users, each.target) for each in found.result.steps]
    assert steps == [
        (1, "llama.cpp, 2 slots, raw"),
        (1, "llama.cpp, 2 slots, gateway"),
        (2, "llama.cpp, 2 slots, raw"),
        (2, "llama.cpp, 2 slots, gateway"),
    ]
    assert all(each.figures.completed == 4 for each in found.result.steps)
    raw, queued = found.result.conditions.targets
    assert (raw.path, queued.path) == ("raw", "gateway")
    assert raw.group == queued.group
    assert found.result.steps[1].figures.queue_s is not None
    assert children() == set()


async def test_no_engine_is_no_result(tmp_path: Path) -> None:
    found = await swept([broken("exit=1")], tmp_path, Watched())
    assert found.result is None
    assert children() == set()


@needs_xllamacpp
async def test_a_stop_keeps_what_is_known_and_ends_every_process(tmp_path: Path) -> None:
    stop = asyncio.Event()
    watcher = Watched(stop)
    engines = [llama_cpp(tmp_path), llama_cpp(tmp_path, 1)]
    endless = course(tmp_path)
    endless = replace(
        endless, plan=replace(endless.plan, bounds=Bounds(duration_s=600, requests=None))
    )
    found = await sweep(engines, endless, watcher=watcher, stop=stop, say=lambda _text: None)
    assert watcher.begun == ["llama.cpp, 2 slots, raw"]
    assert found.result is None or found.result.interrupted
    assert children() == set()


@needs_xllamacpp
async def test_a_stop_while_an_engine_starts_gives_it_up_and_keeps_the_others(
    tmp_path: Path,
) -> None:
    stop = asyncio.Event()

    def say(text: str) -> None:
        if text.startswith("starting odd"):
            asyncio.get_running_loop().call_later(0.5, stop.set)

    engines = [llama_cpp(tmp_path), broken("mute"), llama_cpp(tmp_path, 1)]
    async with asyncio.timeout(60):  # the engine alone would take 300 s
        found = await sweep(engines, course(tmp_path), watcher=Watched(), stop=stop, say=say)
    assert found.interrupted
    assert found.failed == ()
    assert found.result is not None
    assert found.result.interrupted
    assert {each.target for each in found.result.steps} == {
        "llama.cpp, 2 slots, raw",
        "llama.cpp, 2 slots, gateway",
    }
    assert children() == set()


@pytest.mark.slow
@needs_xllamacpp
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
async def test_an_engine_that_crashed_is_started_again_on_its_own_cores(tmp_path: Path) -> None:
    cores = share_out(1)
    engine = llama_cpp(tmp_path)
    seen: dict[int, set[int]] = {}

    class Killer(Watched):
        def begin(self, measurement: Measurement) -> None:
            super().begin(measurement)
            if len(self.begun) == 1:
                (pid,) = processes_of(engine)
                seen[pid] = os.sched_getaffinity(pid)
                os.kill(pid, signal.SIGKILL)

        def end(self, measurement: Measurement, measured: Measured) -> None:
            seen.update({pid: os.sched_getaffinity(pid) for pid in processes_of(engine)})

    short = course(tmp_path)
    plan = replace(short.plan, bounds=Bounds(duration_s=2.0, requests=None), repeats=2)
    await sweep(
        [engine],
        replace(short, plan=plan, cores=cores),
        watcher=Killer(),
        stop=asyncio.Event(),
        say=lambda _text: None,
    )
    assert len(seen) == 2, "it was not started again"
    assert all(kept == cores.engine for kept in seen.values())


def processes_of(engine: Engine) -> set[int]:
    """Without their guards."""
    words = {pid: psutil.Process(pid).cmdline() for pid in children()}
    return {
        pid
        for pid, line in words.items()
        if engine.spec.model in line and not any(word.endswith("guard.py") for word in line)
    }


@needs_xllamacpp
async def test_whoever_gives_up_leaves_no_process_behind(tmp_path: Path) -> None:
    begun = asyncio.Event()

    class Patient(Watched):
        def begin(self, measurement: Measurement) -> None:
            begun.set()

    task = asyncio.create_task(swept([llama_cpp(tmp_path)], tmp_path, Patient()))
    await begun.wait()
    assert children()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == set()


async def test_a_gateway_is_put_in_front_with_the_slots_of_the_engine(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp", model="demo", slots=2) as runner:
        engine = Engine("fake", "llamacpp", LaunchSpec("fake", "llamacpp"), 2)
        async with gateway_before(
            engine, "demo", url=runner.url, folder=tmp_path, queue_s=7.0
        ) as url:
            page = await get(int(url.rpartition(":")[2]), "/metrics")
            assert b'sluicegate_slots{runner="engine"} 2.0' in page.body
        assert children() == set()


async def test_whoever_gives_up_while_the_gateway_starts_leaves_none(tmp_path: Path) -> None:
    engine = Engine("fake", "llamacpp", LaunchSpec("fake", "llamacpp"), 2)
    entering = asyncio.create_task(
        gateway_before(
            engine, "demo", url="http://127.0.0.1:1", folder=tmp_path, queue_s=7.0
        ).__aenter__()
    )
    await eventually(lambda: bool(children()))
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert children() == set()


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    engine = Engine("fake", "vllm", LaunchSpec("fake", "vllm"), 64)
    written = configuration(engine, "m", url="http://127.0.0.1:8000", port=8123, queue_s=7.0)
    file = tmp_path / "gateway.yaml"
    file.write_text(str(written))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "dev.yaml").write_text("{}")
    settings = load({}, cwd=tmp_path, base=file).settings
    assert settings.models["m"].timeouts.queue_s == 7
    assert settings.runners["engine"].slots == 64
    assert not settings.log.access


def test_results_become_one_in_the_order_of_load_and_engine() -> None:
    def one(name: str, users: int) -> object:
        return step(name, users, measured(timeline()))

    first = result(one("b raw", 5), one("b raw", 1))  # type: ignore[arg-type]
    second = result(one("a raw", 1), targets=(facts("a raw"),))  # type: ignore[arg-type]
    merged = together([first, replace(second, interrupted=True)])
    assert merged is not None
    assert [(each.users, each.target) for each in merged.steps] == [
        (1, "b raw"),
        (1, "a raw"),
        (5, "b raw"),
    ]
    assert merged.interrupted
    assert together([]) is None
