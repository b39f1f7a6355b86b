"""The runner that everything else is measured against does what it says."""

from __future__ import annotations

import asyncio
from itertools import repeat

import httpx2
import pytest

from tests.eval.service import SECOND
from tests.eval.sim_runner import Pace, SimRunner
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.anyio
SERVICE_S = 0.2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def simulated(slots: int = 1, pace: Pace | None = None) -> SimRunner:
    return SimRunner(slots, repeat(int(SERVICE_S * SECOND)), pace or Pace())


async def ask(runner: SimRunner, user: str = "u", *, stream: bool = False) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=10) as client:
        body = {"model": "sim", "messages": [], "user": user, "stream": stream}
        return await client.post(f"{runner.url}/v1/chat/completions", json=body)


async def test_an_answer_takes_its_service_time_and_the_log_says_so() -> None:
    async with simulated() as runner:
        reply = await ask(runner)
        (visit,) = runner.visits
    assert reply.json()["usage"]["completion_tokens"] == 4
    assert visit.started is not None
    assert visit.ended is not None
    assert visit.outcome == "done"
    assert SERVICE_S <= visit.ended - visit.started < SERVICE_S + 0.15


async def test_a_stream_has_its_tokens_usage_and_end() -> None:
    async with simulated() as runner:
        text = (await ask(runner, stream=True)).text
    assert text.count('"content"') == 4
    assert '"usage"' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_more_requests_than_slots_wait_in_the_order_of_arrival() -> None:
    async with simulated(slots=2) as runner:
        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(ask(runner, name))
                await eventually(lambda n=name: any(v.name == n for v in runner.visits))
        visits = runner.visits
    started = [(visit.started, visit.name) for visit in visits]
    assert [name for _, name in sorted(started)] == list("abcd")
    assert all(late.started >= early.ended for early, late in zip(visits, visits[2:], strict=False))


async def test_requests_beside_each_other_slow_each_other_down() -> None:
    async with simulated(slots=2, pace=Pace(slowdown=1.0)) as runner:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask(runner))
        longest = max(visit.ended - visit.started for visit in runner.visits)
    assert longest >= 1.5 * SERVICE_S


async def test_whoever_leaves_frees_the_slot() -> None:
    async with simulated() as runner:
        first = asyncio.create_task(ask(runner, "first"))
        await eventually(lambda: bool(runner.visits and runner.visits[0].started))
        first.cancel()
        await ask(runner, "second")
        left, served = runner.visits
    assert (left.outcome, served.outcome) == ("left", "done")
    assert left.ended - left.started < SERVICE_S


async def test_whoever_leaves_the_line_never_begins() -> None:
    async with simulated() as runner:
        first = asyncio.create_task(ask(runner, "first"))
        await eventually(lambda: len(runner.visits) == 1)
        second = asyncio.create_task(ask(runner, "second"))
        await eventually(lambda: len(runner.visits) == 2)
        second.cancel()
        await first
        await ask(runner, "third")
    assert runner.visits[1].started is None


async def test_a_crash_cuts_what_runs_and_what_comes_until_it_recovers() -> None:
    async with simulated() as runner:
        running = asyncio.create_task(ask(runner))
        await eventually(lambda: bool(runner.visits and runner.visits[0].started))
        runner.crash()
        with pytest.raises(httpx2.TransportError):
            await running
        with pytest.raises(httpx2.TransportError):
            await ask(runner)
        runner.recover()
        assert (await ask(runner)).status_code == 200
    assert [visit.outcome for visit in runner.visits] == ["crashed", "crashed", "done"]


async def test_a_stall_lasts_until_it_is_ended() -> None:
    async with simulated() as runner:
        runner.stall()
        running = asyncio.create_task(ask(runner, stream=True))
        done, _ = await asyncio.wait({running}, timeout=2 * SERVICE_S)
        assert not done
        runner.resume()
        assert (await running).status_code == 200
