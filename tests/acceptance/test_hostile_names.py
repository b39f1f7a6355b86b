"""Nothing that a caller sends becomes part of a name in the store, however it is meant."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.callers import ALL_LIMITS, bearer, listed, listed_key
from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.held import keys
from tests.acceptance.raw_http import CHAT, ask, chat_body, head, request
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import Server, server

pytestmark = pytest.mark.anyio

REQUESTS = 200
NAME = re.compile(rb"[A-Za-z0-9:{}._-]+")
MARK = "evil"
"""In every hostile text, so that it shows wherever it gets to."""
TEXTS = (
    f"{MARK}}}{{sg:default}}:t",
    f"{MARK}:*",
    f"{MARK}'..redis.call('FLUSHALL')..'",
    f'{MARK}"]] return 1 --',
    f"{MARK}\\0\\n\\r",
    f"{MARK} {{rl:default}}:0",
    f"{MARK}%00%0d%0aFLUSHALL",
    f"{MARK}\xff\xfe\x80",
    f"../{MARK}",
    MARK * 40,
)
HEADERS = (
    "authorization",
    "x-api-key",
    "api-key",
    "x-sluicegate-class",
    "x-sluicegate-tenant",
    "x-sluicegate-weight",
    "x-request-id",
    "x-request-timeout-ms",
    "x-stainless-retry-count",
    "x-stainless-read-timeout",
    "traceparent",
)
FIELDS = ("model", "service_tier", "user", "max_tokens", "prompt_cache_key")


def hostile(draw: random.Random) -> bytes:
    """A request with one or two texts where none of the kind is expected."""
    headers = {"authorization": bearer("front")}
    body: dict[str, Any] = chat_body(stream=draw.random() < 0.3)
    for _ in range(draw.randint(1, 2)):
        text = draw.choice(TEXTS)
        if draw.random() < 0.7:
            headers[draw.choice(HEADERS)] = text
        else:
            body[draw.choice(FIELDS)] = text
    whole = request("POST", CHAT, body).partition(b"\r\n\r\n")[2]
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return head(*lines, f"content-length: {len(whole)}") + whole


def names(store: Server) -> Iterator[bytes]:
    """Every key, and every name below it: fields of hashes and members of sets."""
    with store.client() as client:
        for key in keys(store):
            yield key
            kind = client.type(key)
            if kind == b"hash":
                yield from client.hkeys(key)
            elif kind == b"zset":
                yield from client.zrange(key, 0, -1)
            elif kind == b"set":
                yield from client.smembers(key)


async def test_no_name_in_the_store_holds_what_a_caller_sent(tmp_path: Path) -> None:
    with server() as store:
        async with FakeRunner("vllm") as runner:
            await _fuzz(tmp_path, store, runner)


async def _fuzz(folder: Path, store: Server, runner: FakeRunner) -> None:
    runner.script = Script(Fault.HANG)
    front = listed_key("front", may_name_tenant=True, limits=ALL_LIMITS, tenant="a@b+c")
    config = one_model("vllm", runner.url)
    config["models"]["demo"] |= {"aliases": ["org/m:8b@x+y"], "max_waiting": 20}
    config |= {"auth": listed(front), "store": {"url": store.url}, "server": {"drain_s": 0}}
    draw = random.Random(20261126)
    async with gateway_here(folder, config) as here:
        asking = [asyncio.create_task(ask(here.port, hostile(draw))) for _ in range(REQUESTS)]
        # Some run, some wait, and some were refused: the store knows all three.
        await fact(lambda: (here.in_flight(), here.waiting()) == (1, 20))
        await fact(lambda: sum(not each.done() for each in asking) == 21)
        found = list(names(store))
        assert [name for name in found if MARK.encode() in name] == []
        assert [key for key in keys(store) if not NAME.fullmatch(key)] == []
        kinds = (b":lease:", b":line:", b":retry", b":flow", b":limit:")
        assert all(any(kind in name for name in found) for kind in kinds)
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
