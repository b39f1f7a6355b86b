"""Whatever a request is and however it ends: no slot, ticket, reservation or task is left behind,
and its key has been charged what the rules say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.endpoints import EVENTS, FORMS, Form, event
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.held import Charged, charged, held
from tests.acceptance.leak_scene import (
    KEYS,
    NOTHING,
    PIECES,
    Scene,
    Worker,
    ended_since,
    nothing_for_the_garbage_collector,
    of_half,
    of_prompt,
    read_half,
    stalls,
)
from tests.acceptance.scripted import runner_that, says, says_and_stalls
from tests.fakes.bad_peer import answer, chunk, chunked_head
from tests.fakes.stores import Server, server

pytestmark = pytest.mark.anyio

REFUSAL = b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}'


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory, store: Server) -> AsyncIterator[Scene]:
    worker = Worker()
    async with runner_that(worker) as peer:
        config = one_model("openai", peer.url) | {"auth": KEYS, "store": {"url": store.url}}
        demo = config["models"]["demo"]
        config["models"] |= {
            "brief": demo | {"timeouts": {"queue_s": 0.2}},
            "hasty": demo | {"timeouts": {"first_token_s": 0.2, "idle_s": 0.2, "total_s": 0.2}},
        }
        async with gateway_here(tmp_path_factory.mktemp("gateway"), config) as here:
            yield Scene(here, worker, store)


Play = Callable[[Scene, Form], Awaitable[Charged]]
"""Plays one request to its end and returns what it should be charged."""


async def completes(scene: Scene, form: Form) -> Charged:
    scene.worker.script = says(form.whole())
    async with scene.asked(form) as wire:
        assert (await wire.answer()).status == 200
    return Charged(1, form.tokens)


def fails(data: bytes, status: int) -> Play:
    async def play(scene: Scene, form: Form) -> Charged:
        scene.worker.script = says(data)
        async with scene.asked(form) as wire:
            assert (await wire.answer()).status == status
        return NOTHING

    return play


async def breaks_off(scene: Scene, form: Form) -> Charged:
    scene.worker.script = says(form.begun(PIECES))
    async with scene.asked(form) as wire:
        if form.stream:
            got = await wire.answer()
            assert b"closed the connection in the middle" in got.body
        else:
            assert (await wire.head())[0] == 200
            await wire.closed()
    return of_half(form)


async def begins_and_fails_before_the_first_token(scene: Scene, form: Form) -> Charged:
    nothing_yet = {"index": 0, "delta": {"role": "assistant", "content": ""}, "text": ""}
    head = chunked_head(headers=EVENTS)
    begun = chunk(event({**form.reply, "choices": [{**nothing_yet, "finish_reason": None}]}))
    scene.worker.script = says(head + begun)
    async with scene.asked(form) as wire:
        assert b"closed the connection in the middle" in (await wire.answer()).body
    return NOTHING


async def is_too_slow(scene: Scene, form: Form) -> Charged:
    scene.worker.script = stalls
    async with scene.asked(form, "hasty") as wire:
        assert (await wire.answer()).status == 504
    return NOTHING


async def leaves_the_line(scene: Scene, form: Form) -> Charged:
    async with scene.full():
        async with scene.asked(form):
            await fact(lambda: scene.here.waiting() == 1)
            assert sum(":limit:" in key for key in held(scene.store)) == 1
        await fact(lambda: scene.here.waiting() == 0)
    return NOTHING


async def leaves_before_the_first_byte(scene: Scene, form: Form) -> Charged:
    scene.worker.script = stalls
    async with scene.asked(form):
        await fact(lambda: scene.worker.running == 1)
    return of_prompt(form)


async def leaves_in_the_middle(scene: Scene, form: Form) -> Charged:
    scene.worker.script = says_and_stalls(form.begun(PIECES))
    async with scene.asked(form) as wire:
        await read_half(form, wire)
    return of_half(form)


async def is_refused_a_place(scene: Scene, form: Form) -> Charged:
    async with scene.full(), scene.asked(form, "brief") as wire:
        assert (await wire.answer()).status == 503
    return NOTHING


async def has_no_time_left(scene: Scene, form: Form) -> Charged:
    async with scene.full(), scene.asked(form, x_request_timeout_ms="50") as wire:
        assert (await wire.answer()).status == 503
    return NOTHING


PLAYS: dict[str, Play] = {
    "completes": completes,
    "is refused by the runner": fails(answer(REFUSAL, status=400), 400),
    "fails in the runner": fails(answer(REFUSAL, status=500), 502),
    "is answered with garbage": fails(answer(b"<html>"), 502),
    "is cut before the first byte": fails(b"", 502),
    "is cut in the middle of the head": fails(b"HTTP/1.1 20", 502),
    "breaks off": breaks_off,
    "takes too long": is_too_slow,
    "loses its client in line": leaves_the_line,
    "loses its client before the first byte": leaves_before_the_first_byte,
    "loses its client in the middle": leaves_in_the_middle,
    "would wait too long": is_refused_a_place,
    "has no time left": has_no_time_left,
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS.keys())
async def test_nothing_is_left_of_a_request_that(scene: Scene, play: Play, form: Form) -> None:
    await leaves_nothing(scene, play, form)


@pytest.mark.parametrize("form", [form for form in FORMS if form.stream], ids=lambda f: f.name)
async def test_a_stream_that_fails_before_its_first_token_is_not_charged(
    scene: Scene, form: Form
) -> None:
    await leaves_nothing(scene, begins_and_fails_before_the_first_token, form)


async def leaves_nothing(scene: Scene, play: Play, form: Form) -> None:
    await scene.at_rest()
    tasks, before = asyncio.all_tasks(), charged(scene.store, "counted")
    with nothing_for_the_garbage_collector() as freed:
        expected = await play(scene, form)
        await scene.at_rest()
        await ended_since(tasks)
        await fact(freed)
    after = charged(scene.store, "counted")
    assert Charged(after.requests - before.requests, after.tokens - before.tokens) == expected
