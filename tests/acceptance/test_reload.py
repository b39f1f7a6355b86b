"""SIGHUP: the configuration is read again, and taken over as a whole or not at all."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_process import GatewayProcess, gateway_process
from tests.acceptance.long_answer import begin_stream, in_line, rest_of_stream, slow
from tests.acceptance.raw_http import chat_body, connection, get, post
from tests.acceptance.refusal import error_of
from tests.backends.launch.processes import eventually

pytestmark = pytest.mark.anyio


async def rewrite(it: GatewayProcess, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the configuration file and send SIGHUP."""
    file = it.folder / "gateway.yaml"
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config, indent=1))
    it.signal(signal.SIGHUP)


async def names(it: GatewayProcess) -> list[str]:
    return [model["id"] for model in (await get(it.port, "/v1/models")).json["data"]]


async def test_sighup_swaps_the_models_while_streams_run(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:
        async with connection(it.port) as streaming:
            await begin_stream(streaming)

            def rename(config: dict[str, Any]) -> None:
                config["models"]["other"] = config["models"].pop("demo") | {"aliases": ["alias"]}

            await rewrite(it, rename)
            await it.says("the configuration was reloaded")
            assert await names(it) == ["other", "alias"]
            error_of(await post(it.port, chat_body("demo")), 404)
            asking = asyncio.create_task(post(it.port, chat_body("alias", max_tokens=1)))
            # The slot of the unchanged runner is still taken by the stream.
            await in_line(it, 1)
            assert (await rest_of_stream(streaming)).endswith(b"data: [DONE]\n\n")
            answer = await asking
            assert (answer.status, answer.json["model"]) == (200, "alias")
        assert not runner.inferences[0].cut


async def test_sighup_takes_a_runner_out_when_its_last_stream_has_ended(tmp_path: Path) -> None:
    async with (
        slow() as old,
        slow() as new,
        gateway_process(tmp_path, one_model("vllm", old.url)) as it,
    ):
        async with connection(it.port) as streaming:
            await begin_stream(streaming)

            def move(config: dict[str, Any]) -> None:
                config["runners"]["box"]["url"] = new.url

            await rewrite(it, move)
            await it.says("the configuration was reloaded")
            await rest_of_stream(streaming)
        assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        assert (len(old.inferences), len(new.inferences)) == (1, 1)
        assert not old.inferences[0].cut


async def test_a_wrong_file_changes_nothing_and_is_told_with_its_lines(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:

        def spoil(config: dict[str, Any]) -> None:
            config["models"]["demo"]["policy"] = "least_loadet"
            config["models"]["new"] = config["models"]["demo"]

        await rewrite(it, spoil)
        await it.says("the configuration stays as it was")
        assert "gateway.yaml:" in it.text()
        assert "least_loadet" in it.text()
        assert await names(it) == ["demo"]
        assert (await post(it.port, chat_body(max_tokens=1))).status == 200
        (it.folder / "gateway.yaml").write_text("models: [unclosed")
        it.signal(signal.SIGHUP)
        await eventually(lambda: it.text().count("the configuration stays as it was") == 2)
        assert (await post(it.port, chat_body(max_tokens=1))).status == 200


async def test_what_a_reload_cannot_change_is_said(tmp_path: Path) -> None:
    async with slow() as runner, gateway_process(tmp_path, one_model("vllm", runner.url)) as it:

        def change(config: dict[str, Any]) -> None:
            config["server"] |= {"drain_s": 1, "max_body_mb": 1}
            config["queue"] = {"max_waiting": 7}
            config["limits"] = {"when_store_down": "closed", "default_key": {"concurrent": 9}}

        await rewrite(it, change)
        await it.says("the configuration was reloaded")
        assert "what changed under 'queue' takes effect at the next start" in it.text()
        assert "what changed under 'limits.when_store_down' takes effect" in it.text()
        # These are taken over, and so are the limits themselves.
        assert "under 'server'" not in it.text()
        error_of(await post(it.port, b" " * (2 << 20)), 413)
