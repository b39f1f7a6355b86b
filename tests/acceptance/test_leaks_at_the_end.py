"""A gateway that stops: what has not ended in time is cut, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.endpoints import FORMS, Form
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.held import Charged, charged, held
from tests.acceptance.leak_scene import (
    KEYS,
    PIECES,
    Scene,
    Worker,
    ended_since,
    of_half,
    of_prompt,
    read_half,
    stalls,
)
from tests.acceptance.raw_http import Answer
from tests.acceptance.scripted import runner_that, says_and_stalls
from tests.fakes.bad_peer import BadPeer, Wire
from tests.fakes.stores import Server, server

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Iterator[Server]:
    with server() as running:
        yield running


def configured(peer: BadPeer, store: Server, *, slots: int, drain_s: float) -> dict[str, Any]:
    server = {"drain_s": drain_s}
    config = one_model("openai", peer.url, slots=slots)
    return config | {"auth": KEYS, "store": {"url": store.url}, "server": server}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
async def test_nothing_is_left_of_requests_that_a_stop_cuts(
    tmp_path: Path, store: Server, form: Form
) -> None:
    tasks, worker = asyncio.all_tasks(), Worker()
    async with AsyncExitStack() as clients, runner_that(worker) as peer:
        config = configured(peer, store, slots=2, drain_s=0.2)
        async with gateway_here(tmp_path, config) as here:
            scene = Scene(here, worker, store)
            worker.script = stalls
            await clients.enter_async_context(scene.asked(form))
            await fact(lambda: worker.running == 1)
            worker.script = says_and_stalls(form.begun(PIECES))
            await read_half(form, await clients.enter_async_context(scene.asked(form)))
            in_line = await clients.enter_async_context(scene.asked(form))
            await fact(lambda: here.waiting() == 1)
        await in_line.closed()
        assert here.in_flight() == here.waiting() == here.gateway.handler.active == 0
        assert held(store) == {}
        whole, half = of_prompt(form), of_half(form)
        expected = Charged(whole.requests + half.requests, whole.tokens + half.tokens)
        assert charged(store, "counted") == expected
        await fact(lambda: worker.running == 0)
    await ended_since(tasks)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
async def test_nothing_is_left_of_requests_that_end_while_the_gateway_stops(
    tmp_path: Path, store: Server, form: Form
) -> None:
    go = asyncio.Event()

    async def when_told(wire: Wire) -> None:
        await go.wait()
        await wire.send(form.whole())

    async def ask(scene: Scene) -> Answer:
        async with scene.asked(form) as wire:
            return await wire.answer()

    tasks, worker = asyncio.all_tasks(), Worker()
    worker.script = when_told
    async with runner_that(worker) as peer:
        config = configured(peer, store, slots=1, drain_s=20)
        async with gateway_here(tmp_path, config) as here:
            scene = Scene(here, worker, store)
            asked = [asyncio.create_task(ask(scene)) for _ in range(2)]
            await fact(lambda: here.in_flight() == here.waiting() == 1)
            stopping = asyncio.create_task(here.gateway.drain(20))
            await fact(lambda: here.gateway.draining)
            go.set()
            assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 200]
            assert await stopping
        assert held(store) == {}
        assert charged(store, "counted") == Charged(2, 2 * form.tokens)
    await ended_since(tasks)
