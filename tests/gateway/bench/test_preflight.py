"""A wrong url, model or key is said before anything is measured, with what would be right."""

from __future__ import annotations

import pytest

from gateway.bench.dialects import DIALECTS
from gateway.bench.plan import Target
from gateway.bench.preflight import TargetUnusable, Trial, look, try_out
from gateway.bench.prompts import fixed_prompt
from gateway.bench.result import DialectName
from gateway.bench.run import bodies
from tests.fakes.bad_peer import BadPeer, answer, answers
from tests.fakes.fault import Fault, Script
from tests.fakes.ollama import FakeOllama
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio


def target(url: str, *, model: str = "tiny", dialect: DialectName = "openai-chat") -> Target:
    return Target(name="raw", group="g", url=url, model=model, dialect=dialect)


async def trial(aim: Target) -> Trial:
    body = bodies(aim, fixed_prompt("hello", 4, exact=False))[0]
    return await try_out(aim, body, timeout_s=5)


@pytest.mark.parametrize("kind", ["vllm", "llamacpp", "llama-cpp-python"])
async def test_it_finds_out_which_runner_it_is(kind: str) -> None:
    async with FakeRunner(kind, slots=3) as runner:
        seen = await look(target(runner.url))
    assert seen.kind == kind
    assert seen.slots == (3 if kind == "llamacpp" else seen.slots)


async def test_it_knows_ollama_and_its_version() -> None:
    async with FakeOllama() as ollama:
        seen = await look(target(ollama.url))
    assert (seen.kind, seen.version) == ("ollama", "0.33.0")


async def test_a_runner_that_is_not_there_is_left_to_the_trial() -> None:
    async with FakeRunner("vllm") as runner:
        url = runner.url
    assert (await look(target(url))).kind is None
    with pytest.raises(TargetUnusable, match=r"raw: cannot connect to .*is the runner running"):
        await trial(target(url))


async def test_a_wrong_model_is_said_with_those_that_there_are() -> None:
    async with FakeOllama() as ollama:
        with pytest.raises(TargetUnusable, match=r"HTTP 404.*it has gemma:2b.*--model"):
            await trial(target(ollama.url, model="tiny"))


async def test_an_api_that_a_runner_does_not_have_is_said_to_be_the_fault() -> None:
    async with FakeRunner("llama-cpp-python") as runner:
        with pytest.raises(TargetUnusable, match=r"does not serve /v1/messages.*--api"):
            await trial(target(runner.url, dialect="anthropic"))


async def test_a_missing_key_and_a_wrong_one_are_told_apart() -> None:
    async with FakeRunner("vllm", api_key="right") as runner:
        with pytest.raises(TargetUnusable, match=r"HTTP 401.*name the variable"):
            await trial(target(runner.url))
        aim = Target(name="raw", group="g", url=runner.url, model="tiny", api_key="sk-wrong")
        with pytest.raises(TargetUnusable, match="not the right one") as caught:
            await trial(aim)
    assert "sk-wrong" not in str(caught.value)


async def test_a_key_that_no_header_can_carry_is_refused() -> None:
    aim = Target(name="raw", group="g", url="http://127.0.0.1:9", model="tiny", api_key="a\r\nb")
    with pytest.raises(TargetUnusable, match="the key cannot be sent"):
        await trial(aim)


async def test_a_runner_that_loads_its_model_is_waited_for() -> None:
    async with FakeRunner("llamacpp") as runner:
        runner.state = State.LOADING
        pauses = []

        async def sleep(pause_s: float) -> None:
            pauses.append(pause_s)
            runner.state = State.READY

        aim = target(runner.url)
        body = bodies(aim, fixed_prompt("hello", 4, exact=False))[0]
        seen = await try_out(aim, body, timeout_s=5, sleep=sleep)
    assert len(pauses) == 1
    assert not seen.gateway


async def test_a_runner_that_refuses_for_ever_is_given_up() -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.OVERLOADED)

        async def sleep(pause_s: float) -> None:
            clock.now += pause_s

        class Clock:
            now = 0.0

            def __call__(self) -> float:
                return self.now

        clock = Clock()
        aim = target(runner.url)
        body = bodies(aim, fixed_prompt("hello", 4, exact=False))[0]
        with pytest.raises(TargetUnusable, match="every request for 56 s and asks to wait 7 s"):
            await try_out(aim, body, timeout_s=5, sleep=sleep, clock=clock)


@pytest.mark.parametrize("asked", ["3600", "61"])
async def test_a_single_refusal_for_long_is_not_said_to_be_many(asked: str) -> None:
    refusal = answer(status=503, headers=(("retry-after", asked),))
    async with BadPeer(answers(refusal)) as peer:
        said = rf"refused the first request and asks to wait {asked} s more, past the 60 s"
        with pytest.raises(TargetUnusable, match=said):
            await trial(target(peer.url))
        assert len(peer.requests) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_page_of_a_proxy_is_no_answer_in_any_dialect(dialect: DialectName) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HTML)
        with pytest.raises(TargetUnusable, match=r"raw: http://127\.0\.0\.1"):
            await trial(target(runner.url, dialect=dialect))
