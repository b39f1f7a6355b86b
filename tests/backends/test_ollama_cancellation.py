from __future__ import annotations

import asyncio

import pytest

from backends.base import TargetModel
from tests.backends.ollama_calls import call
from tests.backends.ollama_driver import BOTH_WAYS, PINNED, WAITING, driven
from tests.backends.transport.client import eventually
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import Answer

pytestmark = pytest.mark.anyio


@BOTH_WAYS
@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_before_the_first_byte_cuts_the_connection(
    target: TargetModel, stream: bool
) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.may_load.clear()
        prepared = backend.prepare(call(stream=stream), target)
        opening = asyncio.ensure_future(backend.open(prepared, extra=b"", timeouts=WAITING))
        await eventually(lambda: fake.engine.pending == 1)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await eventually(lambda: fake.requests[0].cut and fake.engine.open == 0)


@BOTH_WAYS
async def test_closing_in_the_middle_of_a_stream_stops_the_generation(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer(hold_after=1)
        prepared = backend.prepare(call(stream=True), target)
        response = await backend.open(prepared, extra=b"", timeouts=WAITING)
        assert backend.stream(prepared).feed(await response.chunk())
        response.close()
        await eventually(lambda: fake.engine.stopped == 1 and fake.engine.open == 0)
        assert fake.requests[0].cut


async def test_cancelling_a_read_and_closing_stops_the_generation() -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer(hold_after=1)
        prepared = backend.prepare(call(stream=True), PINNED)

        async def read_all() -> None:
            response = await backend.open(prepared, extra=b"", timeouts=WAITING)
            try:
                while await response.chunk():
                    pass
            finally:
                response.close()

        reading = asyncio.ensure_future(read_all())
        await eventually(lambda: fake.engine.generating == 1 and fake.requests[0].json is not None)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await eventually(lambda: fake.engine.stopped == 1 and fake.requests[0].cut)
