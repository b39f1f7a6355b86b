"""Runners to launch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.launch.spec import LaunchSpec
from tests.backends.launch.processes import Elders, children
from tests.backends.launch.watched import Launch, Watched, fake_command, watch


@pytest.fixture(autouse=True)
def _elders(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests left running for later ones is none of ours."""
    monkeypatch.setattr(Elders, "pids", frozenset())
    monkeypatch.setattr(Elders, "pids", frozenset(children()))


@pytest.fixture
def launch(model_file: Path) -> Launch:
    """Make a runner out of the fake that behaves as `words` say, and stop it in the end."""

    @asynccontextmanager
    async def make(
        *words: str, spec: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[Watched]:
        given = {"command": fake_command(*words), "model": str(model_file), **(spec or {})}
        watched = watch(LaunchSpec("tiny", "llamacpp", **given), **options)
        try:
            yield watched
        finally:
            await watched.runner.stop()

    return make


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A file for those who never read it."""
    path = tmp_path / "model.gguf"
    path.touch()
    return path
