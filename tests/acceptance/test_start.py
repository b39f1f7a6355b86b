"""How a gateway starts, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from backends.builtin import MODEL_ID, model_path
from backends.launch.port import is_free
from gateway.routing.connect import connect_runner
from gateway.routing.discovery import WELL_KNOWN, discover
from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_process import gateway_process, unready_gateway
from tests.acceptance.raw_http import chat_body, get, post
from tests.acceptance.real_runners import PATIENT, XLLAMACPP
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio


async def test_a_port_in_use_is_said_in_a_sentence_and_ends_with_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = one_model("vllm", "http://127.0.0.1:9") | {"server": {"port": port}}
        async with unready_gateway(tmp_path, config) as it:
            assert await it.ended() == 2
            assert f"Port {port} on 127.0.0.1 is in use" in it.text()
            assert "SLUICEGATE_SERVER__PORT" in it.text()
            assert "Traceback" not in it.text()


async def test_an_address_that_is_not_ours_is_said_in_a_sentence_and_ends_with_2(
    tmp_path: Path,
) -> None:
    config = one_model("vllm", "http://127.0.0.1:9") | {"server": {"host": "203.0.113.7"}}
    config |= {"auth": {"mode": "keys", "keys": [{"name": "me", "sha256": "0" * 64}]}}
    async with unready_gateway(tmp_path, config) as it:
        assert await it.ended() == 2
        assert "Cannot listen on 203.0.113.7" in it.text()
        assert "Traceback" not in it.text()


async def test_a_wrong_configuration_ends_with_2_and_nothing_ever_listens(tmp_path: Path) -> None:
    config = one_model("vllm", "http://127.0.0.1:9") | {"servr": {}, "log": {"level": "loud"}}
    config["runners"]["box"]["slots"] = 0
    async with unready_gateway(tmp_path, config) as it:
        listened: list[Any] = []
        while it.process.poll() is None:
            listened += listeners(it.pid)
            await asyncio.sleep(0.005)
        assert listened == []
        assert await it.ended() == 2
        text = it.text()
        assert "Traceback" not in text
        lines = (it.folder / "gateway.yaml").read_text().splitlines()
        for wrong in ('"servr"', '"level"', '"slots"'):
            number = next(n for n, line in enumerate(lines, 1) if wrong in line)
            assert f"gateway.yaml:{number}" in text
        assert "server" in text


def listeners(pid: int) -> list[Any]:
    """Sockets that a process listens on."""
    try:
        connections = psutil.Process(pid).net_connections("inet")
    except psutil.Error:
        return []
    return [each for each in connections if each.status == psutil.CONN_LISTEN]


async def test_a_variable_that_means_nothing_is_a_fault_too(tmp_path: Path) -> None:
    environ = {"SLUICEGATE_SERVER__PROT": "9000", "SLUICEGATE_QUEUE__MAX_WAITING": "many"}
    async with unready_gateway(tmp_path, {}, environ=environ) as it:
        assert await it.ended() == 2
        assert "SLUICEGATE_SERVER__PROT" in it.text()
        assert "SLUICEGATE_QUEUE__MAX_WAITING" in it.text()
        assert "many" in it.text()


async def test_with_nothing_configured_and_nothing_found_the_built_in_model_answers(
    tmp_path: Path,
) -> None:
    if not model_path().exists() or not XLLAMACPP:
        pytest.skip("the built-in model, or what runs it, is not installed")
    if busy := [port for port, _ in WELL_KNOWN if not is_free(port)]:
        pytest.skip(f"something listens on {busy}, and would be found")
    async with gateway_process(tmp_path, {}, environ=PATIENT) as it:
        async with asyncio.timeout(60):
            while (await get(it.port, "/health/ready")).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        models = (await get(it.port, "/v1/models")).json["data"]
        assert [model["id"] for model in models] == [MODEL_ID]
        asked = chat_body(MODEL_ID, messages=[{"role": "user", "content": "What is Sluicegate?"}])
        answer = await post(it.port, asked)
        assert "gateway" in answer.json["choices"][0]["message"]["content"].lower()
        assert answer.json["choices"][0]["finish_reason"] == "stop"


async def test_a_runner_at_a_well_known_port_is_found_without_configuration(
    tmp_path: Path,
) -> None:
    found = await discover(connect_runner, ((1, ("vllm",)),))
    assert found == []
    async with FakeRunner("vllm") as runner:
        port = int(runner.url.rpartition(":")[2])
        [found_one] = await discover(connect_runner, ((port, ("llamacpp", "vllm")),))
    assert found_one.settings.backend == "vllm"
    assert [card.id for card in found_one.probe.models or ()] == ["tiny"]
