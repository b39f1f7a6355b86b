"""Find runners that already work on this machine. Looks at loopback only, and loads no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from backends.base import Backend, BackendKind, Probe, RunnerState
from gateway.settings import RunnerSettings

WELL_KNOWN: tuple[tuple[int, tuple[BackendKind, ...]], ...] = (
    (11434, ("ollama",)),
    (9931, ("llamacpp",)),
    (8080, ("llamacpp",)),
    (8000, ("vllm", "llama-cpp-python")),
    (1234, ("openai",)),
    (30000, ("openai",)),
)
"""Ports and what listens on them by default; 1234 is LM Studio, 30000 SGLang."""


@dataclass(frozen=True, slots=True)
class Found:
    """A runner that answered."""

    name: str
    settings: RunnerSettings
    probe: Probe


async def discover(
    connect: Callable[[str, RunnerSettings, str], Backend],
    places: tuple[tuple[int, tuple[BackendKind, ...]], ...] = WELL_KNOWN,
) -> list[Found]:
    """Look at every well-known port at once; takes as long as the slowest probe, 3 s at most."""
    looks = [_look(connect, port, kinds) for port, kinds in places]
    return [found for found in await asyncio.gather(*looks) if found is not None]


async def _look(
    connect: Callable[[str, RunnerSettings, str], Backend],
    port: int,
    kinds: tuple[BackendKind, ...],
) -> Found | None:
    for kind in kinds:
        name = kind if port != 8080 else f"{kind}-{port}"
        name = {1234: "lm-studio", 30000: "sglang"}.get(port, name)
        url = f"http://127.0.0.1:{port}"
        settings = RunnerSettings(backend=kind, url=url)
        backend = connect(name, settings, url)
        try:
            probe = await backend.probe()
        finally:
            await backend.aclose()
        if probe.state is not RunnerState.DOWN:
            return Found(name, settings, probe)
    return None
