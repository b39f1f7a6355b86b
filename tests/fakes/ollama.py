"""A scriptable Ollama over a real socket, for tests of whatever talks to one.

It behaves as release 0.33 was read to behave, faults included; nothing in it is made easier for
our adapter. `FakeOllama.requests` logs every request with whether its connection was cut;
`FakeOllama.engine` holds the facts of loading, queueing and generating, and the script.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType

from tests.fakes import ollama_v1
from tests.fakes.ollama_engine import Engine, FakeModel, Json, Refused
from tests.fakes.ollama_http import Exchange, HttpServer, Seen
from tests.fakes.ollama_routes import (
    CREATED_AT,
    Cut,
    chat,
    compact,
    embed,
    generate,
    parse,
    whole,
)

VERSION = "0.33.0"
NDJSON = "application/x-ndjson"
MODELS = (
    FakeModel("llama3:8b"),
    FakeModel("qwen3:4b", ("completion", "tools", "thinking"), family="qwen3"),
    FakeModel("gemma:2b", ("completion",), family="gemma"),
    FakeModel("nomic-embed-text:latest", ("embedding",), family="nomic-bert", context_length=2048),
)


class FakeOllama:
    """`async with FakeOllama() as fake:` serves at `fake.url` until the block is left."""

    def __init__(
        self,
        models: tuple[FakeModel, ...] = MODELS,
        *,
        parallel: int = 1,
        max_queue: int = 512,
        default_ctx: int = 4096,
        version: str = VERSION,
    ) -> None:
        self.engine = Engine(
            models, parallel=parallel, max_queue=max_queue, default_ctx=default_ctx
        )
        self.version = version
        self._server = HttpServer(self._route)

    async def __aenter__(self) -> FakeOllama:
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for loaded in self.engine.memory.values():
            if loaded.expiry is not None:
                loaded.expiry.cancel()
        await self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def requests(self) -> list[Seen]:
        return self._server.requests

    async def _route(self, exchange: Exchange) -> None:
        seen = exchange.seen
        pages: dict[str, Callable[[], Json]] = {
            "/api/version": lambda: {"version": self.version},
            "/api/tags": lambda: {"models": [tag(model) for model in self.engine.models.values()]},
            "/api/ps": lambda: {"models": self._running()},
            "/v1/models": lambda: ollama_v1.model_list(list(self.engine.models.values())),
        }
        if seen.path == "/" and seen.method in ("GET", "HEAD"):
            await exchange.send(200, b"Ollama is running", "text/plain")
        elif seen.path in pages and seen.method in ("GET", "HEAD"):
            await exchange.send_json(200, pages[seen.path]())
        elif seen.method == "POST" and seen.path == "/api/show":
            await self._native(exchange, self._show)
        elif seen.method == "POST" and seen.path in ("/api/chat", "/api/generate", "/api/embed"):
            await self._native(exchange, self._infer)
        elif seen.method == "POST" and seen.path in ollama_v1.ROUTES:
            async with self.engine.door():
                await ollama_v1.serve(self.engine, exchange)
        else:
            await exchange.send(404, b"404 page not found", "text/plain")

    def _running(self) -> list[Json]:
        return [
            tag(loaded.model)
            | {"expires_at": CREATED_AT, "size_vram": 4661224676}
            | {"context_length": loaded.num_ctx}
            for loaded in self.engine.memory.values()
        ]

    async def _native(
        self, exchange: Exchange, handler: Callable[[Exchange, Json], Awaitable[None]]
    ) -> None:
        try:
            await handler(exchange, parse(exchange.seen.body))
        except Refused as refused:
            await exchange.send_json(refused.status, {"error": refused.message})

    async def _show(self, exchange: Exchange, body: Json) -> None:
        model = self.engine.find(body.get("model") or body.get("name") or "")
        info = {
            "general.architecture": model.family,
            f"{model.family}.context_length": model.context_length,
        }
        shown = {"details": details(model), "model_info": info}
        await exchange.send_json(200, shown | {"capabilities": list(model.capabilities)})

    async def _infer(self, exchange: Exchange, body: Json) -> None:
        async with self.engine.door():
            if exchange.seen.path == "/api/embed":
                await exchange.send_json(200, await embed(self.engine, body))
                return
            answer = chat if exchange.seen.path == "/api/chat" else generate
            if body.get("stream", True):
                await self._stream(exchange, answer(self.engine, body))
            else:
                await exchange.send_json(200, await whole(answer(self.engine, body)))

    async def _stream(self, exchange: Exchange, answer: AsyncGenerator[Json, None]) -> None:
        try:
            async with aclosing(answer) as lines:
                async for line in lines:
                    await exchange.piece(compact(line), NDJSON)
        except Refused as refused:
            if not exchange.status:
                raise
            await exchange.piece(compact({"error": refused.message}), NDJSON)
        except Cut:
            exchange.broken = True
            return
        await exchange.end()


def details(model: FakeModel) -> Json:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": "8.0B",
        "quantization_level": "Q4_0",
        "context_length": model.context_length,
    }


def tag(model: FakeModel) -> Json:
    listed: Json = {
        "name": model.name,
        "model": model.name,
        "modified_at": CREATED_AT,
        "size": 4661224676,
        "digest": "365c0bd3c000a25d28ddbf732fe1c6add414de7275464c4e4d1c3b5fcb5d8ad1",
        "details": details(model),
        "capabilities": list(model.capabilities),
    }
    return listed | ({"remote_host": model.remote_host} if model.remote_host else {})
