"""What every backend makes of a runner that fails (see `tests.fakes.fault`)."""

from __future__ import annotations

import asyncio

import pytest

from backends.errors import (
    ConnectionLost,
    ReplyInvalid,
    RunnerRefused,
    RunnerTimeout,
)
from backends.transport import Timeouts
from tests.backends.openai_replies import DONE, events
from tests.contracts.rig import Rig
from tests.fakes.eventually import eventually
from tests.fakes.fault import Fault, Script
from tests.fakes.recording import recordings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.CUT, "closed the connection"),
        (Fault.STOPPED, "before the answer was complete"),
        (Fault.INTERRUPTED, "before the answer was complete"),
        (Fault.ERROR_EVENT, "out of memory"),
        (Fault.GARBAGE, "not JSON"),
    ],
)
async def test_a_stream_that_breaks_ends_in_an_error_event(
    scripted_rig: Rig, fault: Fault, message: str
) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(fault, after=2)
    out, reader = await scripted_rig.stream(scripted_rig.prepare(stream=True))
    *chunks, last = events(out)
    assert len(chunks) == 3
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert message in last["error"]["message"]
    assert reader.failed == last["error"]["message"]
    assert DONE not in out


async def test_a_stream_that_only_lacks_its_end_gets_one(scripted_rig: Rig) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(Fault.NO_DONE)
    out, reader = await scripted_rig.stream(scripted_rig.prepare(stream=True))
    assert out.endswith(DONE)
    assert reader.failed is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.HTML, Fault.OVERLOADED])
async def test_an_error_answer_becomes_one_error(
    scripted_rig: Rig, fault: Fault, stream: bool
) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(fault)
    error = await scripted_rig.refusal(scripted_rig.prepare(stream=stream))
    assert isinstance(error, RunnerRefused)
    told = (error.status, error.code, error.retryable, error.retry_after_s)
    busy = fault is Fault.OVERLOADED
    assert told == (
        (503, "overloaded", True, 7.0) if busy else (502, "upstream_error", False, None)
    )
    assert "runner r" in error.message


@pytest.mark.parametrize("stream", [True, False])
async def test_an_empty_answer_is_no_answer(scripted_rig: Rig, stream: bool) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(Fault.EMPTY)
    assert isinstance(await scripted_rig.refusal(scripted_rig.prepare(stream=stream)), ReplyInvalid)


async def test_a_connection_dropped_without_an_answer_was_reached(scripted_rig: Rig) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(Fault.DROP)
    error = await scripted_rig.refusal(scripted_rig.prepare())
    assert isinstance(error, ConnectionLost)
    assert error.reached


async def test_a_late_first_byte_is_a_time_out(scripted_rig: Rig) -> None:
    assert scripted_rig.fake is not None
    scripted_rig.fake.script = Script(first_byte_s=30.0)
    prepared = scripted_rig.prepare()
    with pytest.raises(RunnerTimeout) as raised:
        await scripted_rig.backend.open(prepared, extra=b"", timeouts=Timeouts(first_byte_s=0.05))
    assert raised.value.phase == "first_byte"
    await eventually(lambda: scripted_rig.transport.open_connections == 0)


async def test_every_recorded_error_comes_out_with_a_sensible_status(scripted_rig: Rig) -> None:
    fake = scripted_rig.fake
    assert fake is not None
    for recording in recordings(fake.kind).values():
        if recording.status < 400 or recording.path != "/v1/chat/completions":
            continue
        fake.script = Script(case=recording.case)
        error = await scripted_rig.refusal(scripted_rig.prepare())
        assert isinstance(error, RunnerRefused), recording.case
        assert error.status in (400, 502), recording.case
        assert error.message, recording.case


async def test_leaving_before_the_first_byte_cuts_the_connection(scripted_rig: Rig) -> None:
    fake = scripted_rig.fake
    assert fake is not None
    fake.script = Script(Fault.HANG)
    waiting = asyncio.create_task(scripted_rig.reply(scripted_rig.prepare()))
    await eventually(lambda: fake.in_flight == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await eventually(lambda: scripted_rig.transport.open_connections == 0)
    await eventually(lambda: fake.inferences[0].cut and fake.in_flight == 0)
