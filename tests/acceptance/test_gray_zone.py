"""Fifteen people on one runner that serves one or four at a time: everyone gets a whole answer.

`python -m tests.perf.gray_zone` does the same at full size and prints what it saw.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.gateway_process import gateway_process
from tests.acceptance.real_runners import (
    LLAMA_CPP_PYTHON,
    VLLM,
    XLLAMACPP,
    llama_cpp_python,
    llama_cpp_python_by_default,
    llama_server,
    vllm,
    watched,
)
from tests.acceptance.tap import Tap
from tests.acceptance.users import Load, Outcome, ask_all
from tests.backends.launch.processes import eventually
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import Answer
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

QUICK = Load(requests_each=2, max_tokens=12)

needs_llama_cpp_python = pytest.mark.skipif(
    LLAMA_CPP_PYTHON not in os.environ, reason=f"{LLAMA_CPP_PYTHON} names no interpreter"
)
needs_llama_server = pytest.mark.skipif(not XLLAMACPP, reason="xllamacpp is not installed")


def everyone_is_served(outcomes: list[Outcome], load: Load = QUICK) -> bool:
    """Fails with what the others got."""
    assert len(outcomes) == load.total
    assert [outcome for outcome in outcomes if not outcome.complete] == []
    return True


@needs_llama_cpp_python
async def test_llama_cpp_python_started_by_the_gateway_serves_everyone(
    tmp_path: Path, model_file: Path
) -> None:
    launch = {
        "python": os.environ[LLAMA_CPP_PYTHON],
        "model": str(model_file),
        "model_name": "demo",
    }
    config = {"runners": {"own": {"backend": "llama-cpp-python", "launch": launch, "slots": 1}}}
    async with gateway_process(tmp_path, config) as it:
        await eventually(lambda: "'own' is ready" in it.text(), within_s=60)
        assert everyone_is_served(await ask_all(it.base_url, "demo", QUICK))
        await eventually(lambda: len(it.requests()) == QUICK.total)
        records = it.requests()
        assert {(record["status"], record["runner"]) for record in records} == {(200, "own")}
        # Fourteen of fifteen had to wait.
        assert sum(record["queue_ms"] > 1 for record in records) >= QUICK.users - 1


@needs_llama_cpp_python
async def test_llama_cpp_python_found_by_its_url_serves_everyone_one_by_one(
    tmp_path: Path, model_file: Path
) -> None:
    async with llama_cpp_python(model_file) as url, Tap(url) as tap:
        config = one_model("llama-cpp-python", tap.url, model="demo")
        async with gateway_process(tmp_path, config) as it:
            assert everyone_is_served(await ask_all(it.base_url, "demo", QUICK))
        assert (tap.max_in_flight, tap.answered, tap.cut) == (1, QUICK.total, 0)


@needs_llama_cpp_python
async def test_llama_cpp_python_by_itself_cuts_most_of_them_short(model_file: Path) -> None:
    async with llama_cpp_python_by_default(model_file) as url:
        outcomes = await ask_all(f"{url}/v1", "demo", QUICK)
    cut = [outcome for outcome in outcomes if outcome.done and not outcome.finish_reason]
    # What the gateway is for: the library has raised no error for any of these.
    assert len(cut) > QUICK.total / 2
    assert all(outcome.error is None for outcome in cut)


@needs_llama_server
@pytest.mark.parametrize("slots", [1, 4])
async def test_llama_server_never_gets_more_than_its_slots(
    tmp_path: Path, model_file: Path, slots: int
) -> None:
    async with llama_server(model_file, slots=slots) as url, Tap(url) as tap:
        config = one_model("llamacpp", tap.url, model="demo", slots="auto")
        async with gateway_process(tmp_path, config) as it, watched(url) as told:
            assert everyone_is_served(await ask_all(it.base_url, "demo", QUICK))
        assert (tap.max_in_flight, tap.answered) == (slots, QUICK.total)
        # Its own queue is never used: the line is in the gateway, where it is fair.
        assert told.looks > 0
        assert told.deferred == 0
        assert told.processing <= slots


@pytest.mark.parametrize("parallel", [1, 4])
async def test_ollama_never_gets_more_than_its_slots(tmp_path: Path, parallel: int) -> None:
    async with FakeOllama(parallel=parallel) as ollama:
        # It answers in no time, so the first ones are held until there are as many as may be.
        ollama.engine.answer = Answer(hold_after=1)
        config = one_model("ollama", ollama.url, model="llama3:8b", slots=parallel)
        async with gateway_here(tmp_path, config) as here:
            asking = asyncio.create_task(ask_all(here.base_url, "demo", QUICK))
            await fact(lambda: here.in_flight() + here.waiting() == QUICK.users)
            await fact(lambda: ollama.engine.generating == parallel)
            ollama.engine.release.set()
            assert everyone_is_served(await asking)
            assert (here.in_flight(), here.waiting()) == (0, 0)
        assert ollama.engine.max_open == parallel
        assert ollama.engine.stopped == 0


@pytest.mark.parametrize(("kind", "slots"), [("vllm", 4), ("vllm", 1), ("llama-cpp-python", 1)])
async def test_runners_of_the_openai_dialects_never_get_more_than_their_slots(
    tmp_path: Path, kind: str, slots: int
) -> None:
    # The fake itself would take everything at once.
    async with FakeRunner(kind, tokens_per_s=2000) as runner:
        config = one_model(kind, runner.url, slots=slots)
        async with gateway_here(tmp_path, config) as here:
            assert everyone_is_served(await ask_all(here.base_url, "demo", QUICK))
        assert runner.max_in_flight == slots
        assert len(runner.inferences) == QUICK.total
        assert not any(seen.cut for seen in runner.inferences)


async def test_aliases_and_models_share_the_slots_of_their_runner(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=2000) as runner:
        config = one_model("vllm", runner.url, slots=2)
        config["models"]["demo"]["aliases"] = ["alias"]
        config["models"]["other"] = {"backends": {"vllm": {"runners": ["box"], "model": "tiny"}}}
        async with gateway_here(tmp_path, config) as here:
            some = Load(users=5, requests_each=2, max_tokens=12)
            asking = [ask_all(here.base_url, name, some) for name in ("demo", "alias", "other")]
            for outcomes in await asyncio.gather(*asking):
                assert everyone_is_served(outcomes, some)
        assert runner.max_in_flight == 2


async def test_without_slots_everything_passes_at_once(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=100) as runner:
        config = one_model("vllm", runner.url, slots="unlimited")
        async with gateway_here(tmp_path, config) as here:
            once = Load(requests_each=1, max_tokens=12)
            assert everyone_is_served(await ask_all(here.base_url, "demo", once), once)
        assert runner.max_in_flight == once.users


@pytest.mark.slow
@pytest.mark.skipif(VLLM not in os.environ, reason=f"{VLLM} names no interpreter")
async def test_vllm_never_gets_more_than_its_slots(
    tmp_path: Path, hugging_face_folder: Path
) -> None:
    async with vllm(hugging_face_folder, slots=4) as url, Tap(url) as tap:
        config = one_model("vllm", tap.url, model="demo", slots=4)
        async with gateway_process(tmp_path, config) as it:
            assert everyone_is_served(await ask_all(it.base_url, "demo", QUICK))
        assert (tap.max_in_flight, tap.answered, tap.cut) == (4, QUICK.total, 0)
