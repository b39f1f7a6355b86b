"""A gateway as an operator starts it: `sluicegate serve`, configured by a file and environment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.configuration import Config, write_configuration
from tests.backends.launch.processes import eventually, is_gone

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "gateway")
_URL = re.compile(r"(?:serving at |^ +)(http://127\.0\.0\.1:\d+)", re.MULTILINE)


@dataclass(slots=True)
class GatewayProcess:
    """A running `sluicegate serve`; everything it prints is in `log`."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def base_url(self) -> str:
        """What a user gives an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        """All that it has printed so far."""
        return (self.folder / "log").read_text()

    def files(self) -> list[str]:
        """What lies in the folder that it runs in."""
        return sorted(path.name for path in self.folder.iterdir())

    def log(self) -> list[dict[str, Any]]:
        """Its log, line by line; fails on a line that is not JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def messages(self) -> list[str]:
        """The messages of its log."""
        return [line["message"] for line in self.log() if line["event"] == "log"]

    def requests(self) -> list[dict[str, Any]]:
        """The access records so far."""
        return [line for line in self.log() if line["event"] != "log"]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, *, within_s: float = 20) -> int:
        """Wait for its end; return the exit code."""
        await eventually(lambda: self.process.poll() is not None, within_s=within_s)
        return int(self.process.returncode)

    async def says(self, words: str, *, within_s: float = 20) -> None:
        """Wait until these words are in what it prints."""
        try:
            await eventually(lambda: words in self.text(), within_s=within_s)
        except TimeoutError:
            raise AssertionError(f"it did not say {words!r}:\n{self.text()}") from None

    def descendants(self) -> list[int]:
        """Process ids of everything that it has started."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def rss_mb(self) -> float:
        """Resident memory, in MB."""
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)


@asynccontextmanager
async def gateway_process(
    folder: Path, config: Config, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[GatewayProcess]:
    """Start one and wait until it serves, its runners having been looked at."""
    async with unready_gateway(folder, config, environ=environ) as gateway:
        await eventually(lambda: _served(gateway), within_s=60)
        yield gateway


@asynccontextmanager
async def unready_gateway(
    folder: Path, config: Config, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[GatewayProcess]:
    """Start one and do not wait for it. It is killed in the end, and must leave nothing behind."""
    env = write_configuration(folder, config) | {"PYTHONPATH": str(ROOT)} | dict(environ or {})
    gateway = GatewayProcess(_start(folder, env), folder)
    try:
        yield gateway
    finally:
        children = gateway.descendants() if gateway.process.poll() is None else []
        gateway.process.kill()
        gateway.process.wait()
        await eventually(lambda: all(map(is_gone, children)))


def _start(folder: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with open(folder / "log", "wb") as out:
        return subprocess.Popen([*COMMAND, "serve"], cwd=folder, env=env, stdout=out, stderr=out)


def _served(gateway: GatewayProcess) -> bool:
    found = _URL.search(gateway.text())
    if found:
        gateway.url = found[1]
        return True
    code = gateway.process.poll()
    assert code is None, f"exit code {code}:\n{gateway.text()}"
    return False
