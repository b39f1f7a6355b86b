"""Runners that load, are gone, or refuse for now: requests wait, or go elsewhere, or are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.raw_http import chat_body, post
from tests.acceptance.refusal import error_of
from tests.acceptance.scripted import in_front_of, says
from tests.fakes.bad_peer import answer
from tests.fakes.fault import Fault
from tests.fakes.fault import Script as Happening
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio

JSON = [("content-type", "application/json")]


async def test_a_runner_that_loads_is_waited_for(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as runner:
        runner.state = State.LOADING
        async with gateway_here(tmp_path, one_model("llamacpp", runner.url)) as here:
            asking = asyncio.create_task(post(here.port, chat_body()))
            await fact(lambda: here.waiting() == 1)
            assert not runner.inferences
            runner.state = State.READY
            answered = await asking
    assert answered.status == 200
    assert int(answered.headers["x-sluicegate-queue-ms"]) > 0


async def test_a_runner_that_loads_for_too_long_is_503_and_says_so(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as runner:
        runner.state = State.LOADING
        config = one_model("llamacpp", runner.url)
        config["models"]["demo"]["timeouts"] = {"queue_s": 0.3}
        async with gateway_here(tmp_path, config) as here:
            answered = await post(here.port, chat_body())
            error = error_of(answered, 503)
            assert error["code"] == "model_loading"
            assert int(answered.headers["retry-after"]) >= 1


async def test_a_runner_that_says_loading_only_to_requests_is_waited_for(tmp_path: Path) -> None:
    body = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
    good = answer(
        b'{"id":"1","object":"chat.completion","created":1,"model":"tiny","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}',
        headers=JSON,
    )
    loading = answer(body, status=503, headers=JSON)
    async with in_front_of(tmp_path, says(loading), says(loading), says(good)) as here:
        assert (await post(here.port, chat_body())).status == 200


async def test_a_runner_that_is_gone_is_503_and_names_it(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        gone = one_model("vllm", runner.url, probe_s=60)
        async with gateway_here(tmp_path, gone) as here:
            await runner.__aexit__(None, None, None)
            for _ in range(2):  # found out by the request, then known
                answered = await post(here.port, chat_body())
                error = error_of(answered, 503)
                assert error["code"] == "runner_unreachable"
                assert "'box'" in error["message"]
                assert "retry-after" in answered.headers
                assert answered.took_s < 2


async def test_a_second_runner_serves_what_the_first_cannot_be_reached_for(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as first, FakeRunner("vllm") as second:
        config = one_model("vllm", first.url, probe_s=60)
        config["runners"]["spare"] = config["runners"]["box"] | {"url": second.url}
        config["models"]["demo"]["policy"] = "ordered"
        config["models"]["demo"]["backends"]["vllm"]["runners"] = ["box", "spare"]
        async with gateway_here(tmp_path, config) as here:
            assert (await post(here.port, chat_body())).headers["x-sluicegate-runner"] == "box"
            await first.__aexit__(None, None, None)
            answers = [await post(here.port, chat_body()) for _ in range(5)]
    assert {(a.status, a.headers["x-sluicegate-runner"]) for a in answers} == {(200, "spare")}


async def test_a_runner_that_refuses_for_now_passes_the_request_on(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as first, FakeRunner("vllm") as second:
        first.script = Happening(Fault.OVERLOADED)
        config = one_model("vllm", first.url)
        config["runners"]["spare"] = config["runners"]["box"] | {"url": second.url}
        config["models"]["demo"]["policy"] = "ordered"
        config["models"]["demo"]["backends"]["vllm"]["runners"] = ["box", "spare"]
        async with gateway_here(tmp_path, config) as here:
            answered = await post(here.port, chat_body())
            assert answered.headers["x-sluicegate-runner"] == "spare"
            assert len(first.inferences) == len(second.inferences) == 1
            second.script = Happening(Fault.OVERLOADED)
            answered = await post(here.port, chat_body())
            error_of(answered, 503)
            assert int(answered.headers["retry-after"]) == 7


async def test_a_call_that_may_have_begun_is_never_repeated(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as first, FakeRunner("vllm") as second:
        first.script = Happening(Fault.DROP)
        config = one_model("vllm", first.url)
        config["runners"]["spare"] = config["runners"]["box"] | {"url": second.url}
        config["models"]["demo"]["policy"] = "ordered"
        config["models"]["demo"]["backends"]["vllm"]["runners"] = ["box", "spare"]
        async with gateway_here(tmp_path, config) as here:
            # Every connection is fresh: the gateway has none yet that it could have reused.
            error_of(await post(here.port, chat_body()), 502)
            assert second.inferences == []


async def test_the_fallback_backend_answers_when_the_chosen_one_is_away(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as main, FakeRunner("llamacpp") as spare:
        config = one_model("vllm", main.url, probe_s=60)
        config["runners"]["laptop"] = {"backend": "llamacpp", "url": spare.url, "slots": 1}
        demo = config["models"]["demo"]
        demo["backends"]["llamacpp"] = {"runners": ["laptop"], "model": "tiny"}
        demo |= {"backend": "vllm", "fallback": ["llamacpp"]}
        async with gateway_here(tmp_path, config) as here:
            assert (await post(here.port, chat_body())).headers["x-sluicegate-runner"] == "box"
            await main.__aexit__(None, None, None)
            for stream in (False, True):
                answered = await post(here.port, chat_body(stream=stream))
                assert answered.status == 200
                assert answered.headers["x-sluicegate-runner"] == "laptop"


async def test_the_fallback_answers_when_the_wait_for_the_chosen_one_is_too_long(
    tmp_path: Path,
) -> None:
    async with FakeRunner("vllm") as main, FakeRunner("llamacpp") as spare:
        main.script = Happening(Fault.HANG)
        config = one_model("vllm", main.url)
        config["runners"]["laptop"] = {"backend": "llamacpp", "url": spare.url, "slots": 1}
        demo = config["models"]["demo"]
        demo["backends"]["llamacpp"] = {"runners": ["laptop"], "model": "tiny"}
        demo |= {"backend": "vllm", "fallback": ["llamacpp"], "timeouts": {"queue_s": 0.4}}
        async with gateway_here(tmp_path, config) as here:
            hanging = asyncio.create_task(post(here.port, chat_body()))
            await fact(lambda: here.in_flight() == 1)
            answered = await post(here.port, chat_body())
            hanging.cancel()
            assert answered.headers["x-sluicegate-runner"] == "laptop"
