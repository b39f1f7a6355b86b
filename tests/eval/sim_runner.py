"""A runner whose behaviour is known to the last millisecond: `python -m tests.eval.sim_runner`.

It has P slots that nobody can see and a line of its own in front of them, like Ollama; service
times come from a seed, in the order of arrival. Whoever leaves frees the slot at once. It can crash
and stall when told to, and it logs when everything came, began and ended, on the clock that all
processes of the machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tests.eval.service import SECOND, lognormal
from tests.fakes.ollama_http import Exchange, HttpServer

_STREAM = "text/event-stream"
_ENVELOPE = {"id": "chatcmpl-1", "created": 1795204879, "model": "sim"}
PROMPT_TOKENS = 10


@dataclass(slots=True)
class Visit:
    """One request: who, and when (seconds). None: it did not come to that."""

    name: str
    """The `user` of its body."""
    arrived: float
    started: float | None = None
    ended: float | None = None
    outcome: str = ""
    """`done`, `left` (by the client) or `crashed`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How an answer's service time is spent."""

    tokens: int = 4
    prefill: float = 0.25
    """Share of the service time until the first token."""
    slowdown: float = 0.0
    """Each further request that runs beside it makes a step longer by this share."""


class SimRunner:
    """`async with SimRunner(2, sizes) as runner:` serves at `runner.url` until the block ends."""

    def __init__(self, slots: int, sizes_us: Iterator[int], pace: Pace = Pace()) -> None:
        self.visits: list[Visit] = []
        self._sizes = sizes_us
        self._pace = pace
        self._slot = asyncio.Semaphore(slots)
        self._running = 0
        self._going = asyncio.Event()
        self._going.set()
        self._crash = asyncio.get_running_loop().create_future()
        self._server = HttpServer(self._answer)

    async def __aenter__(self) -> SimRunner:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    def crash(self) -> None:
        """Cut every answer, and every request from now on."""
        if not self._crash.done():
            self._crash.set_result(None)

    def recover(self) -> None:
        """Be as new."""
        self._crash = asyncio.get_running_loop().create_future()

    def stall(self) -> None:
        """Keep all connections and make no progress."""
        self._going.clear()

    def resume(self) -> None:
        """Go on."""
        self._going.set()

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.seen.path
        if path == "/v1/chat/completions":
            await self._chat(exchange)
        elif path == "/v1/models":
            card = {"id": "sim", "object": "model", "created": 1795204879, "owned_by": "sim"}
            await exchange.send_json(200, {"object": "list", "data": [card]})
        elif path == "/sim/log":
            await exchange.send_json(200, [asdict(visit) for visit in self.visits])
        elif path in ("/sim/crash", "/sim/recover", "/sim/stall", "/sim/resume"):
            getattr(self, path.rpartition("/")[2])()
            await exchange.send_json(200, {})
        else:
            await exchange.send_json(404, {"error": {"message": f"no {path} here"}})

    async def _chat(self, exchange: Exchange) -> None:
        body = exchange.seen.json
        visit = Visit(str(body.get("user", "")), time.monotonic())
        self.visits.append(visit)
        work = asyncio.ensure_future(self._serve(exchange, visit, next(self._sizes) / SECOND))
        try:
            await asyncio.wait({work, self._crash}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                visit.outcome = "crashed"
                raise ConnectionAbortedError("crashed")
            await work
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _serve(self, exchange: Exchange, visit: Visit, service_s: float) -> None:
        stream = exchange.seen.json.get("stream") is True
        async with self._slot:
            visit.started = time.monotonic()
            self._running += 1
            try:
                await self._steps(exchange, service_s, stream=stream)
                await self._finish(exchange, stream=stream)
                visit.outcome = "done"
            finally:
                self._running -= 1
                visit.ended = time.monotonic()
                visit.outcome = visit.outcome or "left"

    async def _steps(self, exchange: Exchange, service_s: float, *, stream: bool) -> None:
        """By a timetable, so that a late step does not make the next one late."""
        pace = self._pace
        first = service_s * pace.prefill
        step_s = (service_s - first) / max(1, pace.tokens - 1)
        loop = asyncio.get_running_loop()
        at = loop.time()
        for token in range(pace.tokens):
            slower = 1 + pace.slowdown * (self._running - 1)
            at += (step_s if token else first) * slower
            await asyncio.sleep(at - loop.time())
            if not self._going.is_set():
                await self._going.wait()
                at = loop.time()
            if stream:
                delta = {"role": "assistant", "content": "word "} if not token else {"content": "w"}
                await exchange.piece(_chunk(delta), _STREAM)

    async def _finish(self, exchange: Exchange, *, stream: bool) -> None:
        tokens = self._pace.tokens
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens}
        usage["total_tokens"] = PROMPT_TOKENS + tokens
        if stream:
            last = _ENVELOPE | {"object": "chat.completion.chunk", "choices": [], "usage": usage}
            await exchange.piece(_chunk({}, "stop") + _event(last) + b"data: [DONE]\n\n", _STREAM)
            await exchange.end()
            return
        message = {"role": "assistant", "content": "word " * tokens}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = _ENVELOPE | {"object": "chat.completion", "choices": [choice], "usage": usage}
        await exchange.send_json(200, whole)


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event(_ENVELOPE | {"object": "chat.completion.chunk", "choices": [choice]})


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def _main(given: argparse.Namespace) -> None:
    sizes = lognormal(random.Random(given.seed), int(given.mean_s * SECOND), given.cv)
    async with SimRunner(given.slots, sizes, Pace(given.tokens, slowdown=given.slowdown)) as runner:
        print(runner.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--mean-s", type=float, required=True)
    parser.add_argument("--cv", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=4)
    parser.add_argument("--slowdown", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_main(parser.parse_args()))
