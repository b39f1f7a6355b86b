"""Several worker processes behind one port, as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from backends.launch.restarts import RestartPolicy
from gateway.errors import CannotStart
from gateway.server.listen import bind
from gateway.server.workers import Supervisor
from gateway.settings.loading import load
from tests.acceptance.configuration import one_model, write_configuration
from tests.acceptance.gateway_process import ROOT, GatewayProcess, gateway_process
from tests.acceptance.long_answer import begin_stream, metrics, rest_of_stream, slow
from tests.acceptance.raw_http import CHAT, chat_body, connection, get, post, request
from tests.acceptance.real_runners import PATIENT
from tests.backends.launch.processes import eventually, is_gone
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio


def two(url: str, **server: Any) -> dict[str, Any]:
    return one_model("vllm", url, slots="unlimited") | {"server": {"workers": 2, **server}}


def workers_of(pid: int) -> list[int]:
    """Process ids of the workers of a supervisor."""
    found = psutil.Process(pid).children()
    return sorted(each.pid for each in found if not is_gone(each.pid) and "worker" in _line(each))


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def served_by(pid: int, port: int) -> int:
    """Client connections that a worker has."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(1 for c in found if c.status == "ESTABLISHED" and c.laddr[1] == port)


async def counted(it: GatewayProcess) -> float:
    """Requests that were answered, as the metrics of all workers tell."""
    lines = (await metrics(it)).splitlines()
    return sum(float(n.split()[-1]) for n in lines if n.startswith("sluicegate_requests_total{"))


async def test_requests_reach_both_workers_and_the_metrics_are_those_of_both(
    tmp_path: Path,
) -> None:
    async with FakeRunner("vllm") as runner, gateway_process(tmp_path, two(runner.url)) as it:
        pids = workers_of(it.pid)
        assert len(pids) == 2
        asked = 0
        async with AsyncExitStack() as stack:
            while not all(served_by(pid, it.port) for pid in pids):
                assert asked < 400, "one worker takes every connection"
                wires = [await stack.enter_async_context(connection(it.port)) for _ in range(8)]
                for wire in wires:
                    await wire.send(request("POST", CHAT, chat_body(max_tokens=1)))
                for wire in wires:
                    assert (await wire.answer()).status == 200
                asked += len(wires)
            # Whoever is asked, the answer is that of both.
            for _ in range(5):
                assert await counted(it) == asked
        assert len(runner.inferences) == asked


async def test_a_worker_that_is_killed_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner, gateway_process(tmp_path, two(runner.url)) as it:
        for _ in range(20):
            assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        before = await counted(it)
        first, second = workers_of(it.pid)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: is_gone(first) or first not in workers_of(it.pid))
        for _ in range(20):
            assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        assert await counted(it) == before + 20
        await it.says("ended with status -9; starting it again in 0.5 s")
        await eventually(lambda: len(workers_of(it.pid)) == 2, within_s=20)
        assert second in workers_of(it.pid)


async def test_sigterm_lets_the_answers_of_all_workers_end(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, two(runner.url)) as it:
        everyone = it.descendants()
        async with AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(connection(it.port)) for _ in range(6)]
            for wire in wires:
                await begin_stream(wire)
            it.signal(signal.SIGTERM)
            await it.says("draining")
            for wire in wires:
                assert (await rest_of_stream(wire)).endswith(b"data: [DONE]\n\n")
        assert await it.ended() == 0
        assert all(map(is_gone, everyone))
        assert "Traceback" not in it.text()


async def test_a_supervisor_that_is_killed_takes_all_along(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, two(runner.url)) as it:
        everyone, port = it.descendants(), it.port
        # Two workers, the store and its guard.
        assert len(everyone) >= 4
        async with connection(port) as wire:
            await begin_stream(wire)
            it.process.kill()
            await eventually(lambda: all(map(is_gone, everyone)))
        bind("127.0.0.1", port, may_move=False).close()


async def test_sighup_reaches_every_worker(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner, gateway_process(tmp_path, two(runner.url)) as it:
        file = it.folder / "gateway.yaml"
        config = json.loads(file.read_text())
        config["models"]["other"] = config["models"].pop("demo")
        file.write_text(json.dumps(config))
        it.signal(signal.SIGHUP)
        await eventually(lambda: it.text().count("the configuration was reloaded") == 2)
        for _ in range(10):
            listed = (await get(it.port, "/v1/models")).json["data"]
            assert [model["id"] for model in listed] == ["other"]
        file.write_text("{")
        it.signal(signal.SIGHUP)
        await it.says("the configuration stays as it was")


async def test_a_runner_of_ours_is_started_once_for_all_workers(
    tmp_path: Path, model_file: Path
) -> None:
    launch = {"model": str(model_file), "model_name": "demo", "parallel": 2}
    config = {
        "server": {"workers": 2},
        "runners": {"own": {"backend": "llamacpp", "launch": launch}},
    }
    async with gateway_process(tmp_path, config, environ=PATIENT) as it:
        await eventually(lambda: it.text().count("'own' is ready") == 3, within_s=60)
        for _ in range(6):
            assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        for pid in workers_of(it.pid):
            assert psutil.Process(pid).children() == []


async def test_workers_that_keep_dying_are_given_up_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environ = write_configuration(tmp_path, {"server": {"workers": 2}, "log": {"level": "error"}})
    monkeypatch.setenv("SLUICEGATE_CONFIG", environ["SLUICEGATE_CONFIG"])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Nothing can be served on what is no socket that listens.
    listener = bind("127.0.0.1", 0, may_move=False)
    settings = load({"SLUICEGATE_CONFIG": environ["SLUICEGATE_CONFIG"]}, cwd=tmp_path).settings
    supervisor = Supervisor(
        settings,
        lambda: None,
        progress=lambda text: None,
        on_ready=lambda text: None,
        policy=RestartPolicy(first_s=0.01, crashes=2),
    )
    running = asyncio.create_task(supervisor.run(listener))
    me = os.getpid()

    def kill_them() -> bool:
        for pid in workers_of(me):
            os.kill(pid, signal.SIGKILL)
        return running.done()

    await eventually(kill_them, within_s=30)
    listener.close()
    with pytest.raises(CannotStart, match="No worker can be kept alive"):
        await running
    said = [r.getMessage() for r in caplog.records if r.levelname == "CRITICAL"]
    assert sorted(said) == [f"worker {n} ended 2 times in a row and is given up" for n in (1, 2)]


async def test_a_worker_that_cannot_start_as_it_is_configured_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = write_configuration(tmp_path, {"server": {"workers": 2}})
    settings = load({"SLUICEGATE_CONFIG": environ["SLUICEGATE_CONFIG"]}, cwd=tmp_path).settings
    (tmp_path / "gateway.yaml").write_text("{")
    monkeypatch.setenv("SLUICEGATE_CONFIG", environ["SLUICEGATE_CONFIG"])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    listener = bind("127.0.0.1", 0, may_move=False)
    supervisor = Supervisor(
        settings, lambda: None, progress=lambda text: None, on_ready=lambda text: None
    )
    with pytest.raises(CannotStart, match="No worker can be kept alive"):
        await supervisor.run(listener)
    listener.close()
    assert workers_of(os.getpid()) == []
