"""One fake runner with a gateway in front of it, and the proof that a request reached neither."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.fakes.runner import FakeRunner


@dataclass(frozen=True, slots=True)
class Stand:
    """A gateway that offers `demo`, which is on one fake vLLM with one slot."""

    gateway: Here
    runner: FakeRunner

    @property
    def port(self) -> int:
        return self.gateway.port

    @contextmanager
    def untouched(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        """Fails if what happens inside reaches the runner, takes a slot, or is logged as fault."""
        before = len(self.runner.inferences)
        yield
        assert len(self.runner.inferences) == before
        assert self.gateway.in_flight() == self.gateway.waiting() == 0
        assert [
            r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")
        ] == []


@asynccontextmanager
async def stand(folder: Path, **server: Any) -> AsyncIterator[Stand]:
    """`server` is laid over that part of the configuration."""
    async with FakeRunner("vllm") as runner:
        config = one_model("vllm", runner.url) | {"server": server}
        async with gateway_here(folder, config) as gateway:
            yield Stand(gateway, runner)
