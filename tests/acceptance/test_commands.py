"""`sluicegate check`, `check --live`, `models`, `--version`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway import __version__
from gateway.cli import main
from tests.acceptance.configuration import Config, one_model, write_configuration
from tests.fakes.ollama import FakeOllama
from tests.fakes.runner import FakeRunner, State

pytestmark = pytest.mark.anyio

PREFIX = "SLUICEGATE_"


async def command(folder: Path, config: Config, *words: str, **environ: str) -> Result:
    """Run `sluicegate WORDS` in a thread, while the fakes go on."""
    ours = write_configuration(folder, config) | environ
    others: dict[str, str | None] = dict.fromkeys(n for n in os.environ if n.startswith(PREFIX))
    result = await asyncio.to_thread(CliRunner().invoke, main, words, env=others | ours)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(output: str, *, header: str) -> list[list[str]]:
    """The cells of the table that begins with `header`."""
    lines = output.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(header))
    table = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        table.append(line.split())
    return table


async def test_version_is_said(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "gateway", "--version")
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"sluicegate, version {__version__}\n")


async def test_help_names_the_commands(tmp_path: Path) -> None:
    done = await command(tmp_path, {}, "--help")
    assert done.exit_code == 0
    assert all(f"\n  {name} " in done.stdout for name in ("serve", "check", "models"))


async def test_check_shows_each_value_with_its_origin(tmp_path: Path) -> None:
    config: dict[str, Any] = one_model("vllm", "http://127.0.0.1:9", model="org/name")
    done = await command(tmp_path, config, "check")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "org/name" in done.stdout
    assert "gateway.yaml:" in done.stdout
    assert "default" in done.stdout
    assert "The configuration is valid" in done.stdout


async def test_check_shows_no_secret(tmp_path: Path) -> None:
    config = one_model("vllm", "http://127.0.0.1:9")
    secret = {"SLUICEGATE_RUNNERS__BOX__API_KEY": "sk-secret-3f"}
    done = await command(tmp_path, config, "check", **secret)
    assert done.exit_code == 0
    assert "sk-secret" not in done.stdout + done.stderr
    assert "SLUICEGATE_RUNNERS__BOX__API_KEY" in done.stdout


@pytest.mark.parametrize("words", [("check",), ("check", "--live"), ("models",), ("serve",)])
async def test_a_wrong_configuration_ends_every_command_with_2(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    config = one_model("vllm", "http://127.0.0.1:9")
    config["models"]["demo"]["backends"]["vllm"]["runners"] = ["bocks"]
    done = await command(tmp_path, config, *words)
    assert done.exit_code == 2
    assert "gateway.yaml:" in done.stderr
    assert "bocks" in done.stderr
    assert "box" in done.stderr
    assert "Traceback" not in done.stderr


async def test_check_live_says_how_each_runner_is(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as box, FakeRunner("vllm") as gpu, FakeOllama() as ollama:
        config = one_model("llamacpp", box.url, slots="auto")
        config["runners"] |= {
            "gpu": {"backend": "vllm", "url": gpu.url, "slots": "unlimited"},
            "laptop": {"backend": "ollama", "url": ollama.url},
        }
        done = await command(tmp_path, config, "check", "--live")
    assert done.exit_code == 0, done.stdout + done.stderr
    table = {row[0]: row for row in rows(done.stdout, header="RUNNER")}
    assert table["box"][1:3] == ["llamacpp", "ready"]
    assert "(runner)" in table["box"]
    assert table["gpu"][1:4] == ["vllm", "ready", "unlimited"]
    assert table["laptop"][1:5] == ["ollama", "ready", "1", "(default)"]
    assert "0.33.0" in table["laptop"]
    assert "3 runners, 1 models: all can be used." in done.stdout


async def test_check_live_says_what_a_runner_that_is_to_be_started_is_told(tmp_path: Path) -> None:
    launch = {"model": "org/m", "parallel": 8}
    config: Config = {"runners": {"own": {"backend": "vllm", "launch": launch}}}
    done = await command(tmp_path, config, "check", "--live")
    (row,) = rows(done.stdout, header="RUNNER")
    assert row[:5] == ["own", "vllm", "loading", "8", "(configured)"]


async def test_check_live_ends_with_1_when_something_cannot_be_used(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as box, FakeRunner("vllm") as gone:
        await gone.__aexit__(None, None, None)
        config = one_model("vllm", box.url, model="missing")
        config["runners"]["gone"] = {"backend": "vllm", "url": gone.url}
        done = await command(tmp_path, config, "check", "--live")
    assert done.exit_code == 1
    table = {row[0]: row for row in rows(done.stdout, header="RUNNER")}
    assert table["gone"][2] == "down"
    assert "model 'demo': runner 'box' does not have 'missing'" in done.stdout
    assert "it has tiny" in done.stdout
    assert "all can be used" not in done.stdout
    assert "Traceback" not in done.stderr


async def test_check_live_ends_with_0_when_a_runner_only_loads(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as box:
        box.state = State.LOADING
        done = await command(tmp_path, one_model("llamacpp", box.url), "check", "--live")
    assert done.exit_code == 0
    assert rows(done.stdout, header="RUNNER")[0][2] == "loading"


async def test_a_runner_of_another_kind_is_told(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp") as box:
        done = await command(tmp_path, one_model("vllm", box.url), "check", "--live")
    assert done.exit_code == 1
    assert "llamacpp" in done.stdout


async def test_models_shows_what_each_name_means(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as gpu, FakeRunner("llamacpp") as box:
        config = one_model("vllm", gpu.url)
        config["runners"]["laptop"] = {"backend": "llamacpp", "url": box.url}
        config["models"]["demo"] |= {
            "aliases": ["gpt-4o-mini"],
            "backend": "vllm",
            "fallback": ["llamacpp"],
        }
        config["models"]["demo"]["backends"]["llamacpp"] = {"runners": ["laptop"], "model": "tiny"}
        done = await command(tmp_path, config, "models")
    assert done.exit_code == 0, done.stderr
    first, second = rows(done.stdout, header="MODEL")
    assert first == ["demo", "gpt-4o-mini", "vllm", "tiny", "box", "ready", "1", "2048"]
    assert second[:5] == ["(fallback)", "llamacpp", "tiny", "laptop", "ready"]


async def test_models_without_a_runner_says_what_to_do(tmp_path: Path) -> None:
    config = {"discovery": {"enabled": False}}
    done = await command(tmp_path, config, "models")
    assert done.exit_code == 0
    assert "No model is configured" in done.stdout


async def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = await command(tmp_path, {}, "sevre")
    assert done.exit_code == 2
    assert "No such command 'sevre'" in done.stderr
