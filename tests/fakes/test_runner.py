from __future__ import annotations

import asyncio

import pytest

from backends.errors import RunnerTimeout
from backends.transport import Timeouts
from tests.contracts.rig import Rig
from tests.fakes.eventually import eventually
from tests.fakes.fault import Script
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio


async def test_no_more_than_its_slots_are_worked_on_and_the_others_wait_in_order() -> None:
    done: list[int] = []
    async with FakeRunner("llamacpp", slots=1, tokens_per_s=40) as fake:
        rig = Rig("llamacpp", fake.url)

        async def ask(number: int) -> None:
            await rig.reply(rig.prepare(max_tokens=4))
            done.append(number)

        asking = []
        for number in range(4):
            asking.append(asyncio.create_task(ask(number)))
            await eventually(lambda: len(fake.inferences) == len(asking))
        await asyncio.gather(*asking)
        assert done == [0, 1, 2, 3]
        assert (fake.in_flight, fake.max_in_flight) == (0, 4)
        await rig.backend.aclose()


@pytest.mark.parametrize(("kind", "early"), [("vllm", True), ("llamacpp", False)])
async def test_only_vllm_opens_a_stream_before_its_turn_has_come(kind: str, early: bool) -> None:
    async with FakeRunner(kind, slots=1) as fake:
        fake.script = Script(first_byte_s=30.0)
        rig = Rig("openai", fake.url)
        opening = asyncio.create_task(rig.reply(rig.prepare()))
        await eventually(lambda: fake.in_flight == 1)
        soon = Timeouts(first_byte_s=0.3)
        try:
            async with rig.opened(rig.prepare(stream=True), timeouts=soon) as response:
                assert response.status == 200
            opened = True
        except RunnerTimeout:
            opened = False
        assert opened is early
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await rig.backend.aclose()


async def test_a_stream_has_as_many_chunks_as_were_asked_for() -> None:
    async with FakeRunner("vllm", tokens_per_s=1000) as fake:
        rig = Rig("vllm", fake.url)
        _, reader = await rig.stream(rig.prepare(stream=True, max_tokens=40))
        assert reader.failed is None
        assert 39 <= reader.chunks <= 41
        await rig.backend.aclose()


async def test_it_answers_under_the_name_it_was_given() -> None:
    async with FakeRunner("vllm", model="org/Model") as fake:
        rig = Rig("vllm", fake.url, "org/Model")
        probe = await rig.backend.probe()
        assert [card.id for card in probe.models or ()] == ["org/Model"]
        await rig.backend.aclose()
