"""A store that goes away, or forgets everything, while requests run and wait: none is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.held import held, leases
from tests.acceptance.raw_http import CHAT, Answer, chat_body, request
from tests.acceptance.raw_http import ask as ask_once
from tests.acceptance.replicas import own_id
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import free_port, server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

REPLICAS = SLOTS = 2
WAITING = 20
TOKENS_PER_S = 20
TOKENS = 20
"""Of each answer, which so takes a second."""
FEW_TOKENS = 10
LONG_TOKENS = 100
"""Of the answers that are on their way when the store is lost: longer than replicas are silent."""
DOWN_S = 10.0
PATIENCE_S = 60.0


@asynccontextmanager
async def two_gateways(folder: Path, runner: FakeRunner, port: int) -> AsyncIterator[list[Here]]:
    config = one_model("vllm", runner.url, slots=SLOTS)
    config["store"] = {"url": f"redis://127.0.0.1:{port}"}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(gateway_here(folder / str(number), config))
            for number in range(REPLICAS)
        ]


def ask(here: list[Here], count: int, *, tokens: int = TOKENS) -> list[asyncio.Task[Answer]]:
    """So many requests, spread over the gateways."""
    ports = [here[number % len(here)].port for number in range(count)]
    data = request("POST", CHAT, chat_body(max_tokens=tokens))
    return [asyncio.create_task(ask_once(port, data, within_s=PATIENCE_S)) for port in ports]


async def ask_all(
    here: list[Here], runner: FakeRunner, *, tokens: int = TOKENS
) -> list[asyncio.Task[Answer]]:
    """A request that runs on each gateway, and twenty that wait."""
    await fact(lambda: all(each.gateway.admission.replicas == REPLICAS for each in here))
    asking = ask(here[:1], 1, tokens=LONG_TOKENS)
    await fact(lambda: runner.in_flight == 1)
    asking += ask(here[1:], 1, tokens=LONG_TOKENS)
    await fact(lambda: runner.in_flight == SLOTS)
    asking += ask(here, WAITING, tokens=tokens)
    await fact(lambda: sum(each.waiting() for each in here) == WAITING)
    return asking


def sent_once(runner: FakeRunner) -> bool:
    return max(Counter(map(own_id, runner.inferences)).values()) == 1


async def test_a_store_that_forgets_everything_is_told_again(tmp_path: Path) -> None:
    with server() as store:
        async with (
            FakeRunner("vllm", tokens_per_s=TOKENS_PER_S) as runner,
            two_gateways(tmp_path, runner, store.port) as here,
        ):
            asking = await ask_all(here, runner, tokens=FEW_TOKENS)
            store.ask("FLUSHALL")
            answers = await asyncio.gather(*asking)
            assert [answer.status for answer in answers] == [200] * (SLOTS + WAITING)
            assert runner.max_in_flight == SLOTS
            assert sent_once(runner)
            await fact(lambda: held(store) == {})


async def test_a_store_that_is_away_for_ten_seconds_is_done_without(tmp_path: Path) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        runner = await stack.enter_async_context(FakeRunner("vllm", tokens_per_s=TOKENS_PER_S))
        with server(port=port) as store:
            here = await stack.enter_async_context(two_gateways(tmp_path, runner, port))
            asking = await ask_all(here, runner)
        lost = time.monotonic()
        await fact(lambda: all(each.gateway.degraded for each in here))
        assert sum(each.waiting() for each in here) == WAITING
        served = len(runner.inferences)
        # Longer on a busy machine: what is looked at is that they are served, not how fast.
        await fact(
            lambda: (
                time.monotonic() - lost > DOWN_S and len(runner.inferences) > served + DOWN_S / 2
            ),
            within_s=4 * DOWN_S,
        )
        assert runner.max_in_flight <= SLOTS
        with server(port=port) as store:
            await fact(lambda: not any(each.gateway.degraded for each in here), within_s=5)
            asking += ask(here, 2 * SLOTS)
            await fact(lambda: leases(store) == SLOTS, within_s=5)
            answers = await asyncio.gather(*asking)
            assert [answer.status for answer in answers] == [200] * len(asking)
            assert runner.max_in_flight <= SLOTS
            assert sent_once(runner)
            await fact(lambda: held(store) == {})
            await stack.aclose()
