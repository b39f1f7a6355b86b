"""A gateway in front of one engine: a process of its own, configured by a file made for it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from backends.launch.commands.base import HOST, Command
from backends.launch.diagnosis import explain_exit, with_output
from backends.launch.errors import LaunchError
from backends.launch.port import free_port
from backends.launch.process import RunnerProcess
from backends.launch.readiness import wait_until_ready
from gateway.bench.engines.engine import Engine

_ROOT = Path(__file__).parents[3]
_READY_S = 60.0
_GRACE_S = 5.0
_RUNNER = "engine"


def configuration(engine: Engine, model: str, *, url: str, port: int, queue_s: float) -> Any:
    """What its configuration file holds."""
    target = {"runners": [_RUNNER], "model": model}
    runner = {"backend": engine.backend, "url": url, "slots": engine.slots}
    return {
        "server": {"host": HOST, "port": port},
        "log": {"format": "json", "level": "warning", "access": False},
        "discovery": {"enabled": False, "builtin": False},
        "runners": {_RUNNER: runner},
        "models": {model: {"backends": {engine.backend: target}, "timeouts": {"queue_s": queue_s}}},
    }


@asynccontextmanager
async def gateway_before(
    engine: Engine, model: str, *, url: str, folder: Path, queue_s: float
) -> AsyncIterator[str]:
    """Start one in front of `url`; yields its own url, and ends it however the block is left.

    Raises `LaunchError` with its last words when it does not become ready.
    """
    port = free_port()
    written = configuration(engine, model, url=url, port=port, queue_s=queue_s)
    file = await asyncio.to_thread(_write, folder, written)
    process = RunnerProcess(_command(file), grace_s=_GRACE_S)
    try:
        outcome = await wait_until_ready(
            port, "/health/ready", process.exited, limit_s=_READY_S, on_tick=lambda _s: None
        )
        if outcome == "exited":
            last = explain_exit(process.exited.result(), process.output_tail())
            raise LaunchError("gateway", last)
        if outcome == "late":
            late = f"was not ready within {_READY_S:g} s"
            raise LaunchError("gateway", with_output(late, process.output_tail()))
        yield f"http://{HOST}:{port}"
    finally:
        await process.stop()


def _write(folder: Path, document: Any) -> Path:
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    (folder / "profiles" / "dev.yaml").write_text("{}\n")
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(document, indent=1))  # JSON is YAML
    return file


def _command(file: Path) -> Command:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    env = {"SLUICEGATE_CONFIG": str(file), "SLUICEGATE_PROFILE": "dev", "PYTHONPATH": path}
    argv = (sys.executable, "-m", "gateway", "serve")
    return Command("gateway", argv, env, "/health/ready")
