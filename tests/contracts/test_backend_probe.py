"""What every backend tells of the state of its runner."""

from __future__ import annotations

import asyncio

import pytest

from backends.base import BackendKind, RunnerState
from backends.catalog import KINDS, connect
from backends.transport import Transport
from tests.contracts.rig import Rig
from tests.fakes.eventually import eventually
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio

CONTEXT = {"llamacpp": 2048, "vllm": 2048, "openai": 2048}


async def test_a_probe_tells_the_models_and_their_context(scripted_rig: Rig) -> None:
    probe = await scripted_rig.backend.probe()
    told = {card.id: card.context_length for card in probe.models or ()}
    expected = CONTEXT.get(scripted_rig.kind)
    assert told == ({} if expected is None else {"tiny": expected})


@pytest.mark.parametrize(
    ("kind", "state", "expected"),
    [
        ("llamacpp", State.LOADING, RunnerState.LOADING),
        ("llamacpp", State.ASLEEP, RunnerState.ASLEEP),
        ("llamacpp", State.BUSY, RunnerState.BUSY),
        ("vllm", State.ASLEEP, RunnerState.ASLEEP),
        ("vllm", State.BUSY, RunnerState.BUSY),
        ("openai", State.LOADING, RunnerState.LOADING),
    ],
)
async def test_a_probe_tells_loading_busy_and_asleep_from_down(
    kind: BackendKind, state: State, expected: RunnerState
) -> None:
    async with FakeRunner("vllm" if kind == "openai" else kind) as fake:
        fake.state = state
        rig = Rig(kind, fake.url)
        probe = await rig.backend.probe()
        assert probe.state is expected
        assert probe.wakes is not (kind == "vllm" and state is State.ASLEEP)
        await rig.backend.aclose()


@pytest.mark.parametrize("kind", ["llamacpp", "vllm", "openai"])
async def test_a_refused_key_names_the_remedy(kind: BackendKind) -> None:
    async with FakeRunner("vllm" if kind == "openai" else kind, api_key="s3cret") as fake:
        without = connect(kind, Transport(fake.url), name="r")
        probe = await without.probe()
        assert probe.state is RunnerState.DOWN
        assert "api_key" in probe.detail
        having = connect(kind, Transport(fake.url), name="r", api_key="s3cret")
        assert (await having.probe()).state is RunnerState.READY
        await without.aclose()
        await having.aclose()


@pytest.mark.parametrize("really", ["llamacpp", "llama-cpp-python", "vllm"])
@pytest.mark.parametrize("named", [kind for kind in KINDS if kind != "openai"])
async def test_a_runner_of_another_kind_is_told_from_one_that_is_down(
    named: BackendKind, really: BackendKind
) -> None:
    async with FakeRunner(really) as fake:
        rig = Rig(named, fake.url)
        probe = await rig.backend.probe()
        if named == really:
            assert probe.state is RunnerState.READY
        else:
            assert probe.state is RunnerState.DOWN
            assert f"`backend: {really}` for runner r" in probe.detail
        await rig.backend.aclose()


@pytest.mark.parametrize("named", list(KINDS))
async def test_no_probe_of_another_kind_takes_the_lock_of_llama_cpp_python_twice(
    named: BackendKind,
) -> None:
    async with FakeRunner("llama-cpp-python") as fake:
        rig = Rig(named, fake.url)
        await rig.backend.probe()
        asked = [seen.path for seen in fake.requests]
        assert asked.count("/v1/models") == (named == "openai")
        await rig.backend.aclose()


async def test_a_probe_that_gets_no_answer_ends_in_time() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        rig = Rig("vllm", url)
        async with asyncio.timeout(4):
            probe = await rig.backend.probe()
        assert probe.state is RunnerState.DOWN
        await eventually(lambda: rig.transport.open_connections == 0)
        await rig.backend.aclose()


async def test_a_cancelled_probe_leaves_no_connection(scripted_rig: Rig) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        rig = Rig(scripted_rig.kind, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        probing = asyncio.create_task(rig.backend.probe())
        await asked.wait()
        probing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probing
        await eventually(lambda: rig.transport.open_connections == 0)
