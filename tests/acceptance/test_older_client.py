"""The last major version of `openai`, which many programs still pin."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import gateway_here
from tests.fakes.runner import FakeRunner

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PROGRAM = Path(__file__).with_name("older_client.py")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `openai` 2; what it depends on is installed already."""
    folder = tmp_path_factory.mktemp("openai-2")
    wanted = os.environ.get("SLUICEGATE_TEST_OPENAI_2", "openai>=2,<3")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run([*command, str(folder), wanted], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(
            f"openai 2 cannot be installed ({reason}); SLUICEGATE_TEST_OPENAI_2 may name its wheel"
        )
    return folder


async def test_openai_2_works_by_its_base_url_alone(tmp_path: Path, older: Path) -> None:
    async with (
        FakeRunner("llamacpp", embeddings=True) as runner,
        gateway_here(tmp_path, one_model("llamacpp", runner.url)) as here,
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), here.base_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(older)},
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    got = json.loads(out)
    assert got["version"].startswith("2.")
    assert got["text"]
    assert got["streamed"]
    assert got["async"]
    assert got["usages"] == 1
    assert len(got["vector"]) > 8
    assert got["models"] == ["demo"]
    assert got["refused"] == "model_not_found"
