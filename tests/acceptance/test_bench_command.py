"""`sluicegate bench` as a user starts it: what it prints, writes, sends, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.launch.port import free_port
from tests.acceptance.configuration import one_model, write_configuration
from tests.acceptance.gateway_process import ROOT, gateway_process
from tests.fakes.eventually import eventually
from tests.fakes.fault import Fault, Script
from tests.fakes.ollama import FakeOllama
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

Done = subprocess.CompletedProcess[str]
QUICK = ("--users", "1,3", "--requests", "6", "--repeats", "1", "--output-tokens", "4")


def environment(**more: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
    return inherited | {"PYTHONPATH": str(ROOT)} | more


async def bench(folder: Path, *words: str, **environ: str) -> Done:
    """Run it to its end, while the fakes go on."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", "bench", *words],
        cwd=folder,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text(), parse_constant=pytest.fail)


async def test_a_url_is_measured_and_every_file_written(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=400) as runner:
        done = await bench(
            tmp_path,
            *("--url", f"box={runner.url}/v1", "--model", "tiny", *QUICK, "--slo", "ttft=2s"),
            *("--json", "a.json", "--csv", "a.csv", "--html", "a.html", "--records"),
        )
    assert done.returncode in (0, 1), done.stderr
    assert "1 user " in done.stdout
    assert "3 users" in done.stdout
    assert "[2/2] 3 users, box" in done.stderr
    found = read(tmp_path / "a.json")
    assert [step["figures"]["completed"] for step in found["steps"]] == [6, 6]
    assert [len(step["records"]) for step in found["steps"]] == [6, 6]
    assert found["conditions"]["targets"][0]["kind"] == "vllm"
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3
    assert "</html>" in (tmp_path / "a.html").read_text()


async def test_a_model_of_the_configuration_is_measured_raw_and_through_the_gateway(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with FakeRunner("vllm", slots=8, tokens_per_s=400) as runner:
        config = one_model("vllm", runner.url, slots=8) | {"server": {"port": port}}
        async with gateway_process(tmp_path / "gateway", config):
            environ = write_configuration(tmp_path / "bench", config)
            done = await bench(
                tmp_path,
                *("--model", "demo", *QUICK, "--json", "a.json"),
                SLUICEGATE_CONFIG=environ["SLUICEGATE_CONFIG"],
            )
    assert done.returncode in (0, 1), done.stderr
    found = read(tmp_path / "a.json")
    targets = {target["name"]: target for target in found["conditions"]["targets"]}
    assert targets["demo raw"]["path"] == "raw"
    assert targets["demo raw"]["model"] == "tiny"
    assert targets["demo gateway"]["path"] == "gateway"
    assert targets["demo gateway"]["kind"] == "vllm"
    queues = {step["target"]: step["figures"]["queue_s"] for step in found["steps"]}
    assert queues["demo raw"] is None
    assert queues["demo gateway"]["count"] == 6
    assert sum(step["figures"]["completed"] for step in found["steps"]) == 4 * 6


@pytest.mark.parametrize("via", ["raw", "gateway"])
async def test_requests_go_to_the_named_place_only(tmp_path: Path, via: str) -> None:
    async with FakeRunner("vllm") as runner, FakeOllama() as other:
        config = one_model("vllm", runner.url)
        config["runners"]["other"] = {"backend": "ollama", "url": other.url}
        environ = write_configuration(tmp_path, config | {"server": {"port": free_port()}})
        done = await bench(
            tmp_path,
            *("--model", "demo", "--via", via, *QUICK),
            SLUICEGATE_CONFIG=environ["SLUICEGATE_CONFIG"],
        )
        inferences = len(runner.inferences)
        assert not any(seen.method == "POST" and "chat" in seen.path for seen in other.requests)
    if via == "raw":
        assert inferences >= 12
    else:
        assert (done.returncode, inferences) == (1, 0)
        assert "demo gateway: cannot connect to http://127.0.0.1:" in done.stderr


async def test_an_unreachable_target_ends_it_with_1(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = await bench(tmp_path, "--url", url, "--model", "x", "--json", "a.json")
    assert done.returncode == 1
    assert f"cannot connect to {url}: connection refused; is the runner running" in done.stderr
    assert_nothing_left(tmp_path, done)


async def test_a_wrong_model_ends_it_with_1(tmp_path: Path) -> None:
    async with FakeOllama() as ollama:
        done = await bench(tmp_path, "--url", ollama.url, "--model", "gemma", "--json", "a.json")
    assert done.returncode == 1
    assert "it has gemma:2b" in done.stderr
    assert_nothing_left(tmp_path, done)


async def test_a_refused_key_ends_it_with_1_and_is_not_shown(tmp_path: Path) -> None:
    async with FakeRunner("vllm", api_key="right") as runner:
        words = ("--url", runner.url, "--model", "tiny", "--api-key-env", "BOX_KEY")
        done = await bench(tmp_path, *words, "--json", "a.json", BOX_KEY="sk-wrong")
    assert done.returncode == 1
    assert "HTTP 401" in done.stderr
    assert "sk-wrong" not in done.stdout + done.stderr
    assert_nothing_left(tmp_path, done)


async def test_a_key_is_in_no_file(tmp_path: Path) -> None:
    async with FakeRunner("vllm", api_key="sk-right") as runner:
        words = ("--url", runner.url, "--model", "tiny", "--api-key-env", "BOX_KEY", *QUICK)
        files = ("--json", "a.json", "--csv", "a.csv", "--html", "a.html")
        done = await bench(tmp_path, *words, *files, BOX_KEY="sk-right")
    assert done.returncode in (0, 1), done.stderr
    written = [(tmp_path / name).read_text() for name in files[1::2]]
    assert not any("sk-right" in text for text in (*written, done.stdout, done.stderr))


async def test_a_runner_that_answers_errors_only_ends_it_with_1(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.CRASH)
        done = await bench(tmp_path, "--url", runner.url, "--model", "tiny", "--html", "a.html")
    assert done.returncode == 1
    assert "answered HTTP 500" in done.stderr
    assert_nothing_left(tmp_path, done)


async def test_a_runner_that_fails_after_the_trial_leaves_no_report(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:

        async def break_it() -> None:
            await eventually(lambda: len(runner.inferences) >= 1, within_s=20)
            runner.script = Script(Fault.CRASH)

        breaking = asyncio.ensure_future(break_it())
        words = ("--prompt", "hello", "--users", "2", "--duration", "300ms", "--repeats", "1")
        done = await bench(
            tmp_path,
            *("--url", runner.url, "--model", "tiny", *words, "--warmup", "0"),
            *("--html", "a.html", "--timeout", "5s"),
        )
        await breaking
    if "answered HTTP 500" not in done.stderr:  # it broke before the trial was over
        assert "none of" in done.stdout
        assert "no request completed" in done.stderr
    assert done.returncode == 1
    assert_nothing_left(tmp_path, done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which model? Name it with --model"),
        (("--url", "127.0.0.1:1", "--model", "x"), "must begin with http"),
        (
            ("--url", "http://127.0.0.1:1", "--model", "x", "--api-key-env", "NONE"),
            "no variable NONE",
        ),
        (("--model", "x", "--users", "0"), "numbers above 0"),
        (("--model", "x", "--slo", "fast"), "must be ttft=2s"),
        (("--model", "x", "--json", "no/such/a.json"), "make the folder no/such first"),
        (("--model", "x", "--prompt", "a", "--prompts", "b"), "does not exist"),
        (("--model", "x", "--users", "1,5", "--requests", "3"), "too few for 5 users at once"),
        (("--model", "x", "--prompt", "a", "--output-spread", "0.5"), "not for those of --prompt"),
        (("comparee",), "No such command 'comparee'"),
        (("compare", "a.json", "b.json"), "a.json cannot be read"),
    ],
)
async def test_options_that_make_no_sense_end_it_with_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = await bench(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert_nothing_left(tmp_path, done)


async def limited(folder: Path, limit: str, *words: str) -> Done:
    """Run it with so many files; `-S` before their number leaves the hard limit as it is."""
    script = f'ulimit {limit}; exec "$0" -m gateway bench "$@"'
    return await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", script, sys.executable, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


CROWD = ("--url", "http://127.0.0.1:1", "--model", "x", "--users", "500")


async def test_more_users_than_the_process_may_open_files_are_refused(tmp_path: Path) -> None:
    done = await limited(tmp_path, "-n 256", *CROWD)
    assert done.returncode == 2
    assert "may open 256 files: raise it first, 'ulimit -n 628'" in done.stderr


async def test_two_targets_by_turns_need_twice_the_connections(tmp_path: Path) -> None:
    done = await limited(tmp_path, "-n 700", *CROWD, "--url", "http://127.0.0.1:2")
    assert done.returncode == 2
    assert "500 users need 1000 connections" in done.stderr


async def test_a_limit_that_may_be_raised_is_raised(tmp_path: Path) -> None:
    done = await limited(tmp_path, "-S -n 256", *CROWD)
    assert done.returncode == 1
    assert "cannot connect to http://127.0.0.1:1" in done.stderr


async def test_arrivals_that_find_no_file_are_not_counted_against_the_target(
    tmp_path: Path,
) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(first_byte_s=2.0)
        words = ("--url", runner.url, "--model", "tiny", "--prompt", "hello", "--rate", "300")
        more = ("--duration", "1s", "--repeats", "1", "--output-tokens", "4", "--json", "a.json")
        done = await limited(tmp_path, "-n 160", *words, *more)
    (step,) = read(tmp_path / "a.json")["steps"]
    assert set(step["figures"]["failed"]) == {"not sent"}, done.stderr
    assert step["figures"]["completed"] == (160 - 64) // 2
    assert any(verdict["name"] == "generator" for verdict in step["verdicts"])


async def test_a_model_that_no_configuration_knows_ends_it_with_2(tmp_path: Path) -> None:
    environ = write_configuration(tmp_path / "c", {"discovery": {"enabled": False}})
    config = environ["SLUICEGATE_CONFIG"]
    done = await bench(tmp_path, "--model", "demo", SLUICEGATE_CONFIG=config)
    assert done.returncode == 2
    assert "The model 'demo' does not exist." in done.stderr
    assert "--url" in done.stderr


@asynccontextmanager
async def running(folder: Path, *words: str) -> AsyncIterator[subprocess.Popen[str]]:
    process = _started(folder, words)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _started(folder: Path, words: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "bench", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_an_interrupted_run_writes_what_it_has_and_ends_with_130(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=100) as runner:
        words = ("--users", "1,4", "--duration", "60s", "--prompt", "hello", "--repeats", "1")
        files = ("--json", "a.json", "--html", "a.html")
        options = ("--url", runner.url, "--model", "tiny", *words, *files, "--output-tokens", "4")
        async with running(tmp_path, *options) as process:
            await eventually(lambda: len(runner.inferences) > 8, within_s=30)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.to_thread(process.communicate, timeout=20)
        await eventually(lambda: runner.in_flight == 0)
    assert process.returncode == 130, err
    found = read(tmp_path / "a.json")
    assert found["interrupted"] is True
    assert found["steps"][0]["figures"]["completed"] >= 1
    assert "interrupted" in out
    assert "interrupted" in (tmp_path / "a.html").read_text()
    assert "Traceback" not in err


async def test_interrupted_before_anything_was_measured_it_writes_nothing(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HANG)
        words = ("--url", runner.url, "--model", "tiny", "--json", "a.json")
        async with running(tmp_path, *words) as process:
            await eventually(lambda: runner.in_flight > 0, within_s=30)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate, timeout=20)
        await eventually(lambda: runner.in_flight == 0)
    assert process.returncode == 130
    assert "interrupted before anything was measured; nothing is written" in err
    assert_nothing_left(tmp_path, subprocess.CompletedProcess([], 130, "", err))


async def test_two_results_are_compared(tmp_path: Path) -> None:
    async with FakeRunner("vllm", tokens_per_s=400) as runner:
        words = ("--url", runner.url, "--model", "tiny", *QUICK)
        await bench(tmp_path, *words, "--json", "a.json")
        done = await bench(tmp_path, "compare", "a.json", "a.json")
    assert done.returncode == 0, done.stderr
    assert "TTFT p99" in done.stdout
    assert "same" in done.stdout or "void" in done.stdout
    assert "better" not in done.stdout


async def test_the_generator_states_its_own_ceiling(tmp_path: Path) -> None:
    done = await bench(tmp_path, "ceiling", "--duration", "300ms")
    assert done.returncode == 0, done.stderr
    requests, chunks = (int(line.split()[0].replace(",", "")) for line in done.stdout.splitlines())
    assert requests > 1_000
    assert chunks > requests


def assert_nothing_left(folder: Path, done: Done) -> None:
    """No report of nothing, no half-written file, no stack trace."""
    assert list(folder.glob("*.json")) + list(folder.glob("*.html")) == []
    assert "Traceback" not in done.stderr
