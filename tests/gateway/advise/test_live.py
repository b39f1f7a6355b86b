"""Against a gateway as an operator runs it, with people who ask."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import psutil
import pytest

from gateway.advise.decide import decide
from gateway.advise.decision import Verdict
from gateway.advise.facts import Wish
from gateway.advise.live import Unreachable, observe
from gateway.advise.observation import NothingSeen
from gateway.advise.observed import facts_from
from gateway.advise.scrape import NotAGateway
from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_process import gateway_process
from tests.acceptance.users import Load, ask_all
from tests.backends.launch.processes import eventually
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

KEY_SHA256 = hashlib.sha256(b"a key of this test").hexdigest()


async def test_ten_people_on_one_slot_are_seen_in_its_queue(tmp_path: Path) -> None:
    async with FakeRunner("vllm", model="demo", slots=1, tokens_per_s=100) as runner:
        config = one_model("vllm", runner.url, model="demo")
        async with gateway_process(tmp_path, config) as gateway:
            load = Load(users=10, requests_each=4, max_tokens=10)
            asking = asyncio.create_task(ask_all(gateway.base_url, "demo", load))
            half_way = asyncio.Event()

            async def until_next(_seconds: float) -> None:
                """The readings are as far apart as the traffic lets them be."""
                if not half_way.is_set():
                    await eventually(lambda: len(runner.requests) >= 15, within_s=30)
                    half_way.set()
                else:
                    await asyncio.wait({asking})

            seen = await observe(gateway.url, 2, sleep=until_next)
            await asking
    facts = facts_from(seen)
    assert facts.current.backend == "vllm"
    assert facts.current.slots == 1
    (step,) = facts.current.queued
    assert 5 <= step.users <= 10
    assert step.completed >= 20
    assert 0.1 <= 1 / step.per_s <= 1.0  # ten tokens, on a machine that may be busy
    decision = decide(facts, Wish(users=10, first_token_s=0.01))
    assert decision.verdict is Verdict.GRAY_ZONE


async def test_a_model_is_seen_on_its_own_runner_beside_a_busier_one(tmp_path: Path) -> None:
    async with (
        FakeRunner("vllm", model="demo") as small,
        FakeRunner("vllm", model="other") as large,
    ):
        config = {
            "runners": {
                "small": {"backend": "vllm", "url": small.url, "slots": 1},
                "large": {"backend": "vllm", "url": large.url, "slots": 8},
            },
            "models": {
                "demo": {"backends": {"vllm": {"runners": ["small"], "model": "demo"}}},
                "other": {"backends": {"vllm": {"runners": ["large"], "model": "other"}}},
            },
        }
        async with gateway_process(tmp_path, config) as gateway:
            few, many = Load(users=2, requests_each=2), Load(users=8, requests_each=2)
            await asyncio.gather(
                ask_all(gateway.base_url, "demo", few), ask_all(gateway.base_url, "other", many)
            )
            seen = await observe(gateway.url, 1, sleep=_at_once)
    facts = facts_from(seen, model="demo")
    assert (facts.current.runner, facts.current.slots) == ("small", 1)
    assert facts_from(seen).current.runner == "large"
    with pytest.raises(NothingSeen, match="runner 'large' no request for 'demo'"):
        facts_from(seen, model="demo", runner="large")


async def test_a_server_that_is_no_gateway_is_told_apart() -> None:
    async with FakeRunner("vllm", model="demo") as runner:
        with pytest.raises(NotAGateway):
            await observe(runner.url, 1)


async def test_nobody_there_is_said_with_the_address() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1.*is a gateway running there"):
        await observe("http://127.0.0.1:1", 1)
    with pytest.raises(Unreachable, match="no address of a gateway"):
        await observe("not a url", 1)


async def test_a_key_is_asked_for_by_the_name_of_its_variable(tmp_path: Path) -> None:
    async with FakeRunner("vllm", model="demo") as runner:
        config = one_model("vllm", runner.url, model="demo") | {
            "auth": {"mode": "keys", "keys": [{"name": "a", "sha256": KEY_SHA256}]}
        }
        async with gateway_process(tmp_path, config) as gateway:
            with pytest.raises(Unreachable, match="401: name the variable"):
                await observe(gateway.url, 1)
            seen = await observe(gateway.url, 1, api_key="a key of this test", sleep=_at_once)
            assert [card["id"] for card in seen.models] == ["demo"]


async def _at_once(_seconds: float) -> None:
    return


async def test_whoever_stops_looking_leaves_no_connection_open(tmp_path: Path) -> None:
    async with (
        FakeRunner("vllm", model="demo") as runner,
        gateway_process(tmp_path, one_model("vllm", runner.url)) as gateway,
    ):
        looking = asyncio.Event()

        async def wait_for_ever(_seconds: float) -> None:
            looking.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(observe(gateway.url, 60, sleep=wait_for_ever))
        await looking.wait()
        assert _connections(gateway.port) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _connections(gateway.port) == 0


def _connections(port: int) -> int:
    """Of this process, to that port."""
    opened = psutil.Process().net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == port for each in opened)
