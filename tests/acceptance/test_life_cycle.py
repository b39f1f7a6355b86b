"""Signals, as an operator sends them: what runs ends well, and nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_process import gateway_process, unready_gateway
from tests.acceptance.long_answer import begin_stream, in_line, rest_of_stream, slow
from tests.acceptance.raw_http import CHAT, chat_body, connection, get, post, request
from tests.acceptance.real_runners import PATIENT
from tests.acceptance.refusal import error_of
from tests.backends.launch.processes import eventually, is_gone
from tests.backends.launch.watched import fake_command
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio


async def refused(port: int) -> None:
    """Asking on a new connection is refused because the gateway stops."""
    answer = await post(port, chat_body())
    error = error_of(answer, 503)
    assert error["code"] == "shutting_down"
    assert int(answer.headers["retry-after"]) >= 1


async def test_sigterm_lets_running_answers_end_and_refuses_new_ones(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:
        async with connection(it.port) as streaming, connection(it.port) as idle:
            await idle.send(request("GET", "/v1/models"))
            assert (await idle.answer()).status == 200
            await begin_stream(streaming)
            it.signal(signal.SIGTERM)
            await it.says("draining")
            await refused(it.port)
            # The other way round for a connection that was open before.
            await idle.send(request("POST", CHAT, chat_body()))
            error_of(await idle.answer(), 503)
            ready = await get(it.port, "/health/ready")
            assert (ready.status, ready.json["status"]) == (503, "draining")
            assert (await get(it.port, "/health/live")).status == 200
            text = await rest_of_stream(streaming)
        assert text.endswith(b"data: [DONE]\n\n")
        assert await it.ended() == 0
        assert len(runner.inferences) == 1
        assert not runner.inferences[0].cut
        assert "Traceback" not in it.text()


async def test_requests_in_line_are_served_while_draining(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:
        async with connection(it.port) as first, connection(it.port) as second:
            await begin_stream(first)
            await second.send(request("POST", CHAT, chat_body(max_tokens=2)))
            await in_line(it, 1)
            it.signal(signal.SIGTERM)
            await rest_of_stream(first)
            assert (await second.answer()).status == 200
        assert await it.ended() == 0


async def test_a_second_sigterm_stops_at_once(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:
        async with connection(it.port) as streaming:
            await streaming.send(request("POST", CHAT, chat_body(stream=True, max_tokens=10_000)))
            assert (await streaming.head())[0] == 200
            it.signal(signal.SIGTERM)
            await it.says("draining")
            it.signal(signal.SIGTERM)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await rest_of_stream(streaming)
            assert await it.ended(within_s=4) == 0
        await fact(lambda: runner.inferences[0].cut)
        assert "Traceback" not in it.text()


async def test_answers_that_take_longer_than_the_deadline_are_cut(tmp_path: Path) -> None:
    config = one_model("vllm", "") | {"server": {"drain_s": 0.5}}
    async with slow() as runner:
        config["runners"]["box"]["url"] = runner.url
        async with gateway_process(tmp_path, config) as it, connection(it.port) as streaming:
            await streaming.send(request("POST", CHAT, chat_body(stream=True, max_tokens=10_000)))
            assert (await streaming.head())[0] == 200
            it.signal(signal.SIGTERM)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await rest_of_stream(streaming)
            assert await it.ended(within_s=5) == 0
            assert "1 requests did not end in 0.5 s" in it.text()


async def test_sigint_stops_an_idle_gateway_which_leaves_nothing_behind(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:
        before = it.files()
        assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        it.signal(signal.SIGINT)
        assert await it.ended(within_s=3) == 0
        assert "Traceback" not in it.text()
        assert it.files() == before


async def test_a_signal_during_the_start_is_obeyed(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as runner:
        runner.state = State.LOADING
        config = one_model("llamacpp", runner.url)
        async with unready_gateway(tmp_path, config) as it:
            await eventually(lambda: bool(runner.requests))
            it.signal(signal.SIGTERM)
            assert await it.ended(within_s=5) == 0
            assert "Traceback" not in it.text()


async def test_a_signal_while_a_runner_is_started_ends_both(
    tmp_path: Path, model_file: Path
) -> None:
    launch = {"model": str(model_file), "command": fake_command("mute")}
    config = {"runners": {"own": {"backend": "llamacpp", "launch": launch}}}
    async with unready_gateway(tmp_path, config) as it:
        await it.says("starting llama-server for 'own'")
        await eventually(lambda: len(it.descendants()) >= 2)
        started = it.descendants()
        it.signal(signal.SIGTERM)
        assert await it.ended(within_s=5) == 0
        assert all(map(is_gone, started))
        assert "Traceback" not in it.text()


async def test_a_gateway_that_is_killed_takes_its_runner_along(
    tmp_path: Path, model_file: Path
) -> None:
    launch = {"model": str(model_file), "model_name": "demo", "parallel": 1}
    config = {"runners": {"own": {"backend": "llamacpp", "launch": launch}}}
    async with gateway_process(tmp_path, config, environ=PATIENT) as it:
        await eventually(lambda: "'own' is ready" in it.text(), within_s=60)
        assert (await post(it.port, chat_body(max_tokens=2))).status == 200
        started = it.descendants()
        # The server of the model and its guard, at the least.
        assert len(started) >= 2
        it.process.kill()
        await it.ended()
        await eventually(lambda: all(map(is_gone, started)))


async def test_a_gateway_that_stops_takes_its_runner_along(
    tmp_path: Path, model_file: Path
) -> None:
    launch = {"model": str(model_file), "model_name": "demo", "parallel": 1}
    config = {"runners": {"own": {"backend": "llamacpp", "launch": launch}}}
    async with gateway_process(tmp_path, config, environ=PATIENT) as it:
        await eventually(lambda: "'own' is ready" in it.text(), within_s=60)
        started = it.descendants()
        # A new configuration that leaves the runner as it is leaves its process alone.
        it.signal(signal.SIGHUP)
        await it.says("the configuration was reloaded")
        assert it.descendants() == started
        it.signal(signal.SIGTERM)
        assert await it.ended() == 0
        assert all(map(is_gone, started))
