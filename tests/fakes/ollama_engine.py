"""The inside of the fake Ollama: models on disk and in memory, two queues, scripted generation.

Behaviour as read in `server/sched.go`, `server/routes.go` and `llm/llama_server.go` of 0.33.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

BUSY = "server busy, please try again.  maximum pending requests exceeded"
ALWAYS_SINGLE = ("mllama", "qwen3vl", "qwen35", "qwen3next", "lfm2", "nemotron_h")
"""Families for which OLLAMA_NUM_PARALLEL is not honoured."""


class Refused(Exception):
    """An error that Ollama answers with, natively as `{"error": text}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class FakeModel:
    """A model on disk."""

    name: str
    capabilities: tuple[str, ...] = ("completion", "tools")
    family: str = "llama"
    context_length: int = 131072
    remote_host: str = ""


@dataclass(frozen=True)
class Answer:
    """What is generated: messages in Ollama's own shape, one token each."""

    pieces: tuple[Json, ...] = ({"content": "Hello"}, {"content": " there"}, {"content": "."})
    error: str | None = None
    """Breaks the answer after the pieces; natively the last line of a 200, lost on `/v1`."""
    cut: bool = False
    """The connection ends after the pieces."""
    done_reason: str = "stop"
    hold_after: int | None = None
    """Generate this many pieces, then wait until `Engine.release` is set."""


@dataclass
class Loaded:
    """A model in memory."""

    model: FakeModel
    num_ctx: int
    slots: asyncio.Semaphore
    """Without limit to its queue, and nothing is sent to those who wait in it."""
    users: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    expiry: asyncio.TimerHandle | None = None


class Engine:
    """Loads, queues and generates. Facts for tests are in the public attributes."""

    def __init__(
        self, models: tuple[FakeModel, ...], *, parallel: int, max_queue: int, default_ctx: int
    ) -> None:
        self.models = {canonical(model.name): model for model in models}
        self.parallel = parallel
        self.max_queue = max_queue
        self.default_ctx = default_ctx
        self.answer = Answer()
        self.memory: dict[str, Loaded] = {}
        self.loads: list[tuple[str, int]] = []
        self.may_load = asyncio.Event()
        """Cleared: loading takes forever, and whoever needs it waits without a byte."""
        self.may_load.set()
        self.release = asyncio.Event()
        self.pending = 0
        self.open = 0
        self.max_open = 0
        """Most inference requests at once, those that wait included."""
        self.generating = 0
        self.max_generating = 0
        self.stopped = 0
        """Generations given up because the client left."""
        self._loader = asyncio.Lock()

    def find(self, name: str, quote: str = "'") -> FakeModel:
        """Names are compared without case, `:latest` being understood."""
        model = self.models.get(canonical(name))
        if model is None:
            raise Refused(404, f"model {quote}{name}{quote} not found")
        return model

    async def load(self, model: FakeModel, num_ctx: int | None, keep_alive: object) -> Loaded:
        """A runner for the model; a `num_ctx` other than the loaded one loads it anew."""
        loaded = self.memory.get(canonical(model.name))
        wanted = num_ctx or self.default_ctx
        if loaded is None or loaded.num_ctx != wanted:
            if self.pending >= self.max_queue:
                raise Refused(503, BUSY)
            self.pending += 1
            try:
                async with self._loader:
                    loaded = await self._load(model, wanted)
            finally:
                self.pending -= 1
        self._keep(loaded, keep_alive)
        return loaded

    async def _load(self, model: FakeModel, num_ctx: int) -> Loaded:
        key = canonical(model.name)
        current = self.memory.get(key)
        if current is not None and current.num_ctx == num_ctx:
            return current
        if current is not None:
            while current.users:
                current.idle.clear()
                await current.idle.wait()
        await self.may_load.wait()
        single = "embedding" in model.capabilities or model.family.startswith(ALWAYS_SINGLE)
        slots = asyncio.Semaphore(1 if single else self.parallel)
        loaded = self.memory[key] = Loaded(model, num_ctx, slots)
        self.loads.append((model.name, num_ctx))
        return loaded

    def unload(self, model: FakeModel) -> None:
        loaded = self.memory.pop(canonical(model.name), None)
        if loaded is not None and loaded.expiry is not None:
            loaded.expiry.cancel()

    def _keep(self, loaded: Loaded, keep_alive: object) -> None:
        """Every request sets the time anew; seconds, a Go duration, or negative for ever."""
        if loaded.expiry is not None:
            loaded.expiry.cancel()
            loaded.expiry = None
        seconds = duration_s(keep_alive)
        if seconds >= 0:
            loop = asyncio.get_running_loop()
            loaded.expiry = loop.call_later(seconds, self._expire, loaded)

    def _expire(self, loaded: Loaded) -> None:
        if loaded.users:
            loaded.expiry = asyncio.get_running_loop().call_later(0.01, self._expire, loaded)
        else:
            self.memory.pop(canonical(loaded.model.name), None)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[None]:
        """Counts an inference request from its arrival to its end."""
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        try:
            yield
        finally:
            self.open -= 1

    async def generate(self, loaded: Loaded, limit: int | None) -> AsyncGenerator[Json, None]:
        """The pieces of the scripted answer, from a slot that may have to be waited for."""
        loaded.users += 1
        try:
            async with loaded.slots:
                self.generating += 1
                self.max_generating = max(self.max_generating, self.generating)
                try:
                    async for piece in self._pieces(limit):
                        yield piece
                finally:
                    self.generating -= 1
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped += 1
            raise
        finally:
            loaded.users -= 1
            loaded.idle.set()

    async def _pieces(self, limit: int | None) -> AsyncGenerator[Json, None]:
        answer = self.answer
        for at, piece in enumerate(answer.pieces):
            if limit is not None and limit >= 0 and at >= limit:
                return
            if at == answer.hold_after:
                await self.release.wait()
            yield piece
        if answer.hold_after is not None and answer.hold_after >= len(answer.pieces):
            await self.release.wait()


def canonical(name: str) -> str:
    name = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def duration_s(keep_alive: object) -> float:
    """A `keep_alive` in seconds; the default is five minutes."""
    if keep_alive is None:
        return 300.0
    if isinstance(keep_alive, str):
        units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
        unit = "ms" if keep_alive.endswith("ms") else keep_alive[-1]
        return float(keep_alive.removesuffix(unit)) * units[unit]
    assert isinstance(keep_alive, int | float)
    return float(keep_alive)
