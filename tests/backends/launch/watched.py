"""A launched runner together with everything that it reported."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.launch.runner import LaunchedRunner, LaunchState
from backends.launch.spec import LaunchSpec

FAKE_RUNNER = Path(__file__).with_name("fake_runner.py")


@dataclass
class Watched:
    """A runner and its reports."""

    runner: LaunchedRunner
    states: asyncio.Queue[tuple[LaunchState, str]]
    progress: list[str] = field(default_factory=list)

    async def reach(self, state: LaunchState) -> str:
        """Wait for the next report of this state and return its reason."""
        async with asyncio.timeout(20):
            while True:
                reached, reason = await self.states.get()
                if reached == state:
                    return reason


Launch = Callable[..., AbstractAsyncContextManager[Watched]]
"""The fixture `launch`."""


def watch(spec: LaunchSpec, **options: Any) -> Watched:
    """A runner, not started, whose reports are kept."""
    states: asyncio.Queue[tuple[LaunchState, str]] = asyncio.Queue()
    progress: list[str] = []
    runner = LaunchedRunner(
        spec,
        on_state=lambda state, reason: states.put_nowait((state, reason)),
        on_progress=progress.append,
        **{"grace_s": 0.3, **options},
    )
    return Watched(runner, states, progress)


def fake_command(*words: str) -> str:
    """The value of `command` that starts the fake runner; `words` say how it behaves."""
    return shlex.join([sys.executable, "-S", str(FAKE_RUNNER), *words])
