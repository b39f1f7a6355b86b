"""Streams that show signs of life while they wait: what callers, and their libraries, see of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.endpoints import FORMS, Form
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.leak_scene import Worker, ended_since, stalls
from tests.acceptance.raw_http import Answer, Connection, ask, connection, post
from tests.acceptance.refusal import error_of
from tests.acceptance.scripted import runner_that, says
from tests.fakes.bad_peer import Wire, answer

pytestmark = pytest.mark.anyio

STREAMS = [form for form in FORMS if form.stream]
PLAIN = [form for form in FORMS if not form.stream]
SIGNS = ("comment", "chunk")


@asynccontextmanager
async def full(
    folder: Path, sign: str, **model: Any
) -> AsyncIterator[tuple[Here, Worker, asyncio.Task[Answer]]]:
    """A gateway whose streams show a sign every tenth of a second, and whose only slot is taken."""
    worker = Worker()
    async with runner_that(worker) as peer:
        config = one_model("openai", peer.url)
        waiting = {"after_s": 0.1, "every_s": 0.1, "form": sign}
        config["models"]["demo"] |= {"waiting": waiting} | model
        async with gateway_here(folder, config) as here:
            worker.script = stalls
            holding = asyncio.create_task(ask(here.port, PLAIN[0].asked()))
            await fact(lambda: worker.running == 1)
            yield here, worker, holding
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def answers(wire: Wire) -> None:
    """A script that answers a stream of either form."""
    asked = wire.requests[-1].head
    await wire.send(next(form for form in STREAMS if form.path.encode() in asked).whole())


async def signs_of(wire: Connection, count: int) -> list[bytes]:
    """The first signs that come."""
    status, headers = await wire.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    found = []
    async for piece in wire.pieces():
        found.append(piece)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("form", STREAMS, ids=lambda form: form.name)
async def test_signs_come_until_the_answer_does(tmp_path: Path, form: Form, sign: str) -> None:
    async with full(tmp_path, sign) as (here, worker, holding), connection(here.port) as wire:
        await wire.send(form.asked())
        for each in await signs_of(wire, 3):
            if sign == "comment":
                assert each.startswith(b": waiting ")
            else:
                chunk = json.loads(each.removeprefix(b"data: "))
                assert (chunk["model"], chunk["choices"]) == ("demo", [])
            assert each.endswith(b"\n\n")
        worker.script = says(form.whole())
        holding.cancel()
        rest = b"".join([piece async for piece in wire.pieces()])
        assert rest.count(b"Yes.") == 3
        assert rest.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("sign", SIGNS)
async def test_the_openai_library_reads_over_the_signs(tmp_path: Path, sign: str) -> None:
    async with full(tmp_path, sign) as (here, worker, holding):
        client = openai.AsyncOpenAI(base_url=here.base_url, api_key="x", max_retries=0)
        async with client, connection(here.port) as witness:
            chat = asyncio.create_task(_chat(client))
            text = asyncio.create_task(_completion(client))
            await fact(lambda: here.waiting() == 2)
            await witness.send(STREAMS[0].asked())
            await signs_of(witness, 2)
            worker.script = answers
            witness.abort()
            await fact(lambda: here.waiting() == 2)
            holding.cancel()
            assert await chat == "Yes." * 3
            assert await text == "Yes." * 3


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "upstream_connection_lost"),
        (answer(b"{}", status=500), "upstream_error"),
    ],
    ids=["dies", "fails"],
)
async def test_a_failure_after_the_first_sign_is_an_error_that_the_library_raises(
    tmp_path: Path, sign: str, data: bytes, code: str
) -> None:
    async with full(tmp_path, sign) as (here, worker, holding):
        client = openai.AsyncOpenAI(base_url=here.base_url, api_key="x", max_retries=0)
        async with client, connection(here.port) as witness:
            asking = asyncio.create_task(_chat(client))
            await fact(lambda: here.waiting() == 1)
            await witness.send(STREAMS[0].asked())
            await signs_of(witness, 2)
            worker.script = says(data)
            holding.cancel()
            with pytest.raises(openai.APIError) as raised:
                await asking
            assert raised.value.code == code
            assert "box" in raised.value.message


async def test_a_wait_that_is_in_vain_ends_in_an_error_event(tmp_path: Path) -> None:
    timeouts = {"queue_s": 2.5}
    async with (
        full(tmp_path, "comment", timeouts=timeouts) as (here, _, _holding),
        connection(here.port) as wire,
    ):
        await wire.send(STREAMS[0].asked())
        await signs_of(wire, 1)
        *_, last = [piece async for piece in wire.pieces()]
        error = json.loads(last.removeprefix(b"data: "))["error"]
        assert (error["code"], error["type"]) == ("overloaded", "service_unavailable_error")
        assert here.waiting() == 0


@pytest.mark.parametrize("form", STREAMS, ids=lambda form: form.name)
async def test_who_leaves_while_signs_are_sent_gives_the_place_back(
    tmp_path: Path, form: Form
) -> None:
    async with full(tmp_path, "comment") as (here, worker, holding):
        tasks = asyncio.all_tasks()
        async with connection(here.port) as wire:
            await wire.send(form.asked())
            await signs_of(wire, 2)
            assert here.waiting() == 1
        await fact(lambda: here.waiting() == 0, within_s=1)
        await fact(lambda: here.gateway.handler.active == 1)
        await ended_since(tasks)
        worker.script = says(PLAIN[0].whole())
        holding.cancel()
        assert (await ask(here.port, PLAIN[0].asked())).status == 200
        assert here.in_flight() == 0


@pytest.mark.parametrize("form", PLAIN, ids=lambda form: form.name)
async def test_a_plain_reply_waits_without_a_sign(tmp_path: Path, form: Form) -> None:
    async with full(tmp_path, "comment") as (here, worker, holding), connection(here.port) as wire:
        async with connection(here.port) as witness:
            await wire.send(form.asked())
            await fact(lambda: here.waiting() == 1)
            await witness.send(STREAMS[0].asked())
            await signs_of(witness, 3)
        worker.script = says(form.whole())
        holding.cancel()
        answer = await wire.answer()
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json["model"] == "demo"


async def test_a_stream_that_is_refused_at_once_has_the_status_that_says_so(tmp_path: Path) -> None:
    async with (
        full(tmp_path, "comment", max_waiting=1) as (here, _, _holding),
        connection(here.port) as wire,
    ):
        await wire.send(STREAMS[0].asked())
        await fact(lambda: here.waiting() == 1)
        refused = await post(here.port, {"model": "demo", **STREAMS[0].body})
        assert error_of(refused, 503)["code"] == "overloaded"


async def _chat(client: openai.AsyncOpenAI) -> str:
    messages: Any = STREAMS[0].body["messages"]
    stream = await client.chat.completions.create(model="demo", messages=messages, stream=True)
    found = [choice.delta.content or "" async for each in stream for choice in each.choices]
    return "".join(found)


async def _completion(client: openai.AsyncOpenAI) -> str:
    stream = await client.completions.create(model="demo", prompt="Hi", stream=True)
    return "".join([choice.text async for each in stream for choice in each.choices])
