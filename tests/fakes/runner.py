"""A scriptable runner over a real socket that answers as llama-server, llama-cpp-python or vLLM.

What it sends was recorded from the real ones (`tests/wire/`). What it does in between can be told:
how many requests it works on at once (the others wait in a queue that nobody sees), how fast it
generates, and how it fails. It logs every request, byte for byte.

    async with FakeRunner("vllm", slots=2, tokens_per_s=100) as runner:
        runner.script = Script(Fault.CUT, after=3)
        ... runner.url, runner.requests, runner.max_in_flight ...
"""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from types import TracebackType
from typing import Any

from tests.fakes.fault import AT_ONCE, LOADING, TAILS, Fault, Script, send
from tests.fakes.ollama_http import Exchange, HttpServer, Seen
from tests.fakes.recording import OPERATIONS, Recording, recordings

OPENAPI = (
    b'{"openapi":"3.1.0","info":{"title":"\\ud83e\\udd99 llama.cpp Python API","version":"0.3.36"}}'
)


class State(StrEnum):
    """What the runner tells of itself."""

    READY = "ready"
    LOADING = "loading"
    ASLEEP = "asleep"
    BUSY = "busy"


class FakeRunner:
    """`async with FakeRunner(kind) as runner:` serves at `runner.url` until the block is left.

    `slots`: requests worked on at once, None = all of them. `tokens_per_s`: None = as fast as can
    be; then `max_tokens` decides how many chunks a stream has, else the recording does.
    """

    def __init__(
        self,
        kind: str,
        *,
        model: str = "tiny",
        slots: int | None = None,
        tokens_per_s: float | None = None,
        api_key: str | None = None,
        embeddings: bool = False,
    ) -> None:
        self.kind = kind
        self.model = model
        self.script = Script()
        self.state = State.READY
        self.api_key = api_key
        self.embeddings = embeddings
        """Started so that it serves them; vLLM's are those of llama-server then."""
        self.tokens_per_s = tokens_per_s
        self.in_flight = 0
        """Inference requests that are here, waiting ones included."""
        self.max_in_flight = 0
        self._slots = slots
        self._slot = asyncio.Semaphore(slots or 1_000_000)
        self._recordings = recordings(kind)
        self._server = HttpServer(self._answer)

    async def __aenter__(self) -> FakeRunner:
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def requests(self) -> list[Seen]:
        """Every request so far, in the order of arrival; `cut` once its client has left early."""
        return self._server.requests

    @property
    def inferences(self) -> list[Seen]:
        """The requests for chat, completions and embeddings alone."""
        return [seen for seen in self.requests if seen.path in OPERATIONS]

    async def _answer(self, exchange: Exchange) -> None:
        seen = exchange.seen
        guarded = self.api_key is not None and seen.path.startswith("/v1/")
        if guarded and seen.headers.get("authorization") != f"Bearer {self.api_key}":
            await send(exchange, 401, b'{"error":"Unauthorized"}')
        elif self.state is State.LOADING:
            await send(exchange, 503, LOADING, server=self._server_name)
        elif seen.method == "POST" and seen.path in OPERATIONS:
            await self._infer(exchange)
        else:
            await self._page(exchange)

    async def _page(self, exchange: Exchange) -> None:
        seen = exchange.seen
        if seen.path == "/openapi.json" and self.kind == "llama-cpp-python":
            await send(exchange, 200, OPENAPI)
            return
        path = seen.path.partition("?")[0]
        for recording in self._recordings.values():
            if (recording.method, recording.path) == (seen.method, path):
                await self._replay(exchange, recording)
                return
        await self._replay(exchange, self._recordings["err_unknown_path"])

    async def _infer(self, exchange: Exchange) -> None:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            if self._streams_early(exchange):
                self._begin_stream(exchange)
            async with self._slot:
                await self._work(exchange)
        finally:
            self.in_flight -= 1

    async def _work(self, exchange: Exchange) -> None:
        script = self.script
        await asyncio.sleep(script.first_byte_s)
        if script.fault in AT_ONCE:
            await AT_ONCE[script.fault](exchange)
            return
        body = json.loads(exchange.seen.body)
        recording = self._recordings[script.case] if script.case else self._match(exchange, body)
        if recording.streamed:
            await self._stream(exchange, recording, body)
            return
        if self.tokens_per_s is not None:
            await asyncio.sleep((body.get("max_tokens") or 0) / self.tokens_per_s)
        await self._replay(exchange, recording)

    def _streams_early(self, exchange: Exchange) -> bool:
        """vLLM sends the head of a stream at once and is silent until the request's turn comes."""
        script = self.script
        if self.kind != "vllm" or script.case is not None or script.fault in AT_ONCE:
            return False
        return json.loads(exchange.seen.body).get("stream") is True

    @property
    def _stream_type(self) -> str:
        return dict(self._recordings["chat_stream"].headers)["content-type"]

    def _begin_stream(self, exchange: Exchange) -> None:
        exchange.status = 200
        exchange.writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {self._stream_type}\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )

    def _match(self, exchange: Exchange, body: dict[str, Any]) -> Recording:
        """The recording of the request most like this one."""
        asked = _features(body)
        if exchange.seen.path == "/v1/embeddings":
            return self._embeddings(body)

        def likeness(recording: Recording) -> tuple[int, int]:
            known = _features(recording.body or {})
            return len(asked & known), -len(asked ^ known)

        return max(
            (
                recording
                for recording in self._recordings.values()
                if recording.path == exchange.seen.path
                and recording.method == "POST"
                and recording.status == 200
                and not recording.case.startswith("err_")
                and recording.streamed is (body.get("stream") is True)
            ),
            key=likeness,
        )

    def _embeddings(self, body: dict[str, Any]) -> Recording:
        if not self.embeddings:
            return self._recordings["embeddings"]
        known = recordings("llamacpp") if self.kind == "vllm" else self._recordings
        packed = body.get("encoding_format") == "base64" and "embeddings_base64" in known
        return known["embeddings_base64" if packed else "embeddings_served"]

    async def _replay(self, exchange: Exchange, recording: Recording) -> None:
        data = self._scripted(exchange.seen.path, self._renamed(recording.answer))
        await send(exchange, recording.status, data, headers=recording.headers)

    async def _stream(self, exchange: Exchange, recording: Recording, body: dict[str, Any]) -> None:
        if not exchange.status:
            self._begin_stream(exchange)
        events = self._events(recording, body)
        for event in events:
            if self.tokens_per_s is not None:
                await asyncio.sleep(1 / self.tokens_per_s)
            await exchange.piece(event, self._stream_type)
        if self.script.fault is Fault.CUT:
            exchange.broken = True
        else:
            await exchange.end()

    def _events(self, recording: Recording, body: dict[str, Any]) -> list[bytes]:
        text = self._renamed(recording.answer)
        events = [event + b"\n\n" for event in text.split(b"\n\n") if event]
        wanted = body.get("max_tokens") or body.get("max_completion_tokens")
        if self.tokens_per_s is not None and wanted:
            # The last events are the finish chunk, usage and [DONE]; the one before is text.
            kept = next(i for i, event in enumerate(events) if b'"length"' in event)
            events[1:kept] = [events[1]] * (wanted - 1)
        fault = self.script.fault
        if fault is None:
            return events
        if fault is Fault.NO_DONE:
            return events[:-1]
        return events[: 1 + self.script.after] + list(TAILS[fault])

    def _renamed(self, data: bytes) -> bytes:
        return data.replace(b'"tiny"', json.dumps(self.model).encode())

    @property
    def _server_name(self) -> str:
        return "llama.cpp" if self.kind == "llamacpp" else "uvicorn"

    def _scripted(self, path: str, data: bytes) -> bytes:
        """A page as the runner's state and slots make it."""
        if path == "/props" and self.kind == "llamacpp":
            props = json.loads(data)
            props["is_sleeping"] = self.state is State.ASLEEP
            props["total_slots"] = self._slots or props["total_slots"]
            return json.dumps(props).encode()
        if path == "/metrics" and self.state is State.ASLEEP:
            data = data.replace(b'sleep_state="awake"} 1.0', b'sleep_state="awake"} 0.0')
        if path == "/metrics" and self.state is State.BUSY:
            data = data.replace(b"requests_processing 0", b"requests_processing 64")
            data = data.replace(b'"} 0.0', b'"} 3.0')
        return data


def _features(body: dict[str, Any]) -> set[str]:
    found = set(body) - {"model", "messages", "prompt", "max_tokens"}
    if (body.get("n") or 1) > 1:
        found.add("several choices")
    return found
