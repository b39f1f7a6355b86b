"""The gateway as a user starts it, configured by its environment in front of the stub runner."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.perf.contender import Contender, free_port, pin, spawn, wait_until_ready
from tests.perf.wire import API_KEY, PUBLIC_MODEL, UPSTREAM_MODEL

_STORE_NAMES = ("valkey", "redis")
_KEY = {
    "name": "bench",
    "sha256": hashlib.sha256(API_KEY.encode()).hexdigest(),
    "limits": {"requests_per_minute": 600_000, "tokens_per_minute": 1_000_000_000},
}
_KEYS = {"SLUICEGATE_AUTH__MODE": "keys", "SLUICEGATE_AUTH__KEYS": json.dumps([_KEY])}


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """How to start a gateway: which checkout, in front of which port, with how many slots."""

    root: Path
    upstream: int
    folder: Path
    core: int | None
    store_core: int | None
    slots: str = "unlimited"
    keys: bool = False
    """Ask for the key of the load, which has limits of requests and tokens a minute."""
    log: Path | None = None

    def environment(self, port: int) -> dict[str, str]:
        """The caller's environment without settings of its own, and ours."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
        path = [str(self.root), *filter(None, [inherited.get("PYTHONPATH")])]
        model = f"SLUICEGATE_MODELS__{PUBLIC_MODEL.upper()}"
        return inherited | {
            "PYTHONPATH": os.pathsep.join(path),
            "SLUICEGATE_SERVER__PORT": str(port),
            "SLUICEGATE_RUNNERS__STUB__BACKEND": "vllm",
            "SLUICEGATE_RUNNERS__STUB__URL": f"http://127.0.0.1:{self.upstream}",
            "SLUICEGATE_RUNNERS__STUB__SLOTS": self.slots,
            f"{model}__BACKENDS__VLLM__RUNNERS": '["stub"]',
            f"{model}__BACKENDS__VLLM__MODEL": UPSTREAM_MODEL,
            "SLUICEGATE_LOG__FORMAT": "json",
            "SLUICEGATE_STORE__STATE_DIR": str(self.folder / "state"),
            **(_KEYS if self.keys else {}),
        }


def launch(
    plan: GatewayPlan, *, profile: Path | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process and return it with its port, before it is ready.

    It runs in a folder of its own, so that no configuration file lying about is read. With
    `profile` it runs under cProfile, which writes there when the gateway ends.
    """
    plan.folder.mkdir(exist_ok=True)
    port = free_port()
    profiler = [] if profile is None else ["-m", "cProfile", "-o", str(profile)]
    command = [sys.executable, *profiler, "-m", "gateway", "serve"]
    env = plan.environment(port)
    return spawn(command, core=plan.core, cwd=plan.folder, env=env, log=plan.log), port


def start_gateway(plan: GatewayPlan, name: str, *, profile: Path | None = None) -> Contender:
    """Start a gateway and wait until it is ready. Raises BenchError with its last words if not."""
    process, port = launch(plan, profile=profile)
    wait_until_ready(port, "/health/ready", process, log=plan.log)
    ours: list[int] = [process.pid]
    store: list[int] = []
    for child in psutil.Process(process.pid).children(recursive=True):
        is_store = any(word in child.name() for word in _STORE_NAMES)
        (store if is_store else ours).append(child.pid)
    for pid in store:
        # What it costs is told by itself; here it would push the gateway's code out of the cache.
        pin(pid, plan.store_core)
    return Contender(name, port, process, tuple(ours), tuple(store))
