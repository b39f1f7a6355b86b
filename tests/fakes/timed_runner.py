"""A runner whose service times are known before it is asked: `python -m tests.fakes.timed_runner`.

It prints its port and serves vLLM-like streams until its standard input is closed. Every answer has
`TOKENS` tokens and takes `CYCLE_S` from request to end, so that what a number of users must get is
known exactly; when its first token comes and how far the others lie apart is drawn from a seed.
`drawn` tells the times of a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from dataclasses import dataclass

from tests.fakes.ollama_http import Exchange, HttpServer

TOKENS = 8
CYCLE_S = 2.4
_GAP_S = (0.15, 0.25)
_KIND = "text/event-stream"


@dataclass(frozen=True)
class Service:
    """The times of one answer, counted from the request."""

    ttft_s: float
    gaps_s: tuple[float, ...]


def drawn(seed: int, count: int) -> list[Service]:
    """The services of the first `count` requests, in the order in which they arrive."""
    draw = random.Random(seed)
    return [_service(draw) for _ in range(count)]


def _service(draw: random.Random) -> Service:
    gaps = tuple(draw.uniform(*_GAP_S) for _ in range(TOKENS - 1))
    return Service(CYCLE_S - sum(gaps), gaps)


class TimedRunner:
    """Answers each chat with the next service."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    async def answer(self, exchange: Exchange) -> None:
        """One stream, by a timetable, so that a late token does not make the next one late."""
        if exchange.seen.path != "/v1/chat/completions":
            await exchange.send(404, b'{"error":{"message":"not here"}}')
            return
        loop = asyncio.get_running_loop()
        at = loop.time()
        service = _service(self._draw)
        for wait_s in (service.ttft_s, *service.gaps_s):
            at += wait_s
            await asyncio.sleep(at - loop.time())
            choice = {"index": 0, "delta": {"content": " word"}, "finish_reason": None}
            await exchange.piece(_event({"choices": [choice]}), _KIND)
        end = {"index": 0, "delta": {}, "finish_reason": "length"}
        usage = {"prompt_tokens": 9, "completion_tokens": TOKENS}
        await exchange.piece(
            _event({"choices": [end]})
            + _event({"choices": [], "usage": usage})
            + b"data: [DONE]\n\n",
            _KIND,
        )
        await exchange.end()


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def _serve(seed: int) -> None:
    server = HttpServer(TimedRunner(seed).answer)
    await server.start()
    print(server.url.rpartition(":")[2], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    asyncio.run(_serve(parser.parse_args().seed))
