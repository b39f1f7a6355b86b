"""Clients that leave: the runner is told, and the slot is free, within a tenth of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import WITHIN_S, Scene, Stage, depart, fact, quantile
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import CHAT, chat_body, connection, get, request
from tests.acceptance.scripted import Flow, runner_that, says_and_stalls
from tests.fakes.bad_peer import Wire, answer, chunk, chunked_head
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

TRIALS = 30
EVENT = (
    b'{"id":"1","object":"chat.completion.chunk","created":1,"model":"tiny","choices":'
    b'[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}' % (b"x" * 50_000)
)
BUSY_S = 1.0
"""What a single departure may take on a machine that is busy with something else."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Scene, Here]]:
    async with FakeRunner("vllm", tokens_per_s=50) as runner:
        config = one_model("vllm", runner.url)
        async with gateway_here(tmp_path_factory.mktemp("gateway"), config) as here:

            async def waiting() -> int:
                return here.waiting()

            yield Scene(here.port, runner, waiting), here


@pytest.mark.parametrize(
    ("stage", "stream"),
    [
        (stage, stream)
        for stage in Stage
        for stream in (True, False)
        if stream or stage is not Stage.STREAMING
    ],
)
async def test_a_client_that_leaves_costs_its_runner_nothing_more(
    scene: tuple[Scene, Here], stage: Stage, stream: bool
) -> None:
    played, here = scene
    departed = [await depart(played, stage, stream=stream) for _ in range(TRIALS)]
    took = [max(each.upstream_s, each.slot_s) for each in departed]
    assert quantile(took, 0.5) < WITHIN_S
    assert max(took) < BUSY_S
    await fact(lambda: here.in_flight() == here.waiting() == 0)


async def test_departures_are_counted_as_such_and_are_no_fault_of_the_runner(
    scene: tuple[Scene, Here],
) -> None:
    played, here = scene
    await depart(played, Stage.STREAMING, stream=True)
    await depart(played, Stage.QUEUED, stream=False)
    page = (await get(here.port, "/metrics")).body.decode()
    assert 'status="499"' in page
    assert 'sluicegate_in_flight{runner="box"} 0.0' in page
    assert 'sluicegate_runner_state{runner="box",state="ready"} 1.0' in page


async def test_a_client_that_leaves_in_the_middle_of_a_long_plain_reply_ends_it_upstream(
    tmp_path: Path,
) -> None:
    whole = answer(b'{"x":"' + b"y" * 9_000_000, headers=[("content-type", "application/json")])
    async with runner_that(says_and_stalls(whole[:3_000_000])) as peer:
        config = one_model("openai", peer.url)
        async with gateway_here(tmp_path, config) as here, connection(here.port) as leaver:
            await leaver.send(request("POST", CHAT, chat_body()))
            assert (await leaver.head())[0] == 200
            assert here.in_flight() == 1
            leaver.abort()
            await fact(lambda: here.in_flight() == 0, within_s=BUSY_S)
            # One connection is left, for probes.
            await fact(lambda: peer.open_connections <= 1, within_s=BUSY_S)


async def test_a_client_that_has_stopped_reading_and_then_leaves_ends_it_upstream(
    tmp_path: Path,
) -> None:
    flow = Flow()

    async def endless(wire: Wire) -> None:
        await flow.send(wire, chunked_head(headers=[("content-type", "text/event-stream")]))
        while True:
            await flow.send(wire, chunk(b"data: " + EVENT + b"\n\n"))

    async with runner_that(endless) as peer:
        config = one_model("openai", peer.url)
        async with gateway_here(tmp_path, config) as here, connection(here.port) as leaver:
            await leaver.send(request("POST", CHAT, chat_body(stream=True)))
            assert (await leaver.head())[0] == 200
            await flow.stands_still()
            assert here.in_flight() == 1
            leaver.abort()
            await fact(lambda: here.in_flight() == 0, within_s=BUSY_S)
            await fact(lambda: peer.open_connections <= 1, within_s=BUSY_S)
