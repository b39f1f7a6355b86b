"""The fake Ollama has the faults of the real one: what each test says was read in its source."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backends.transport import Response, Transport
from tests.backends.ollama_calls import HELLO
from tests.backends.ollama_driver import TOOLS
from tests.backends.ollama_lines import deltas, events
from tests.backends.transport.client import client, eventually
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import BUSY, Answer, FakeModel

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
CALLING = {"tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}


async def opened(transport: Transport, path: str, **fields: Any) -> Response:
    body = {"model": "llama3:8b", "messages": HELLO} | fields
    return await transport.send(transport.head("POST", path), json.dumps(body).encode())


async def asked(transport: Transport, path: str, **fields: Any) -> tuple[int, bytes]:
    response = await opened(transport, path, **fields)
    try:
        return response.status, await response.read(1 << 20)
    finally:
        response.close()


async def got(transport: Transport, path: str) -> Any:
    response = await transport.send(transport.head("GET", path))
    try:
        return json.loads(await response.read(1 << 20))
    finally:
        response.close()


async def test_v1_reads_one_token_limit_and_ignores_the_other() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        _, limited = await asked(http, CHAT, max_tokens=1)
        _, runaway = await asked(http, CHAT, max_completion_tokens=1)
        assert json.loads(limited)["usage"]["completion_tokens"] == 1
        assert json.loads(runaway)["usage"]["completion_tokens"] == 3


async def test_v1_ignores_tool_choice() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        fake.engine.answer = Answer((CALLING,))
        _, body = await asked(http, CHAT, tools=TOOLS, tool_choice="none")
        assert json.loads(body)["choices"][0]["finish_reason"] == "tool_calls"


async def test_v1_draws_its_ids_from_a_small_set() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        for stream in (False, True):
            _, body = await asked(http, CHAT, stream=stream)
            answer = events(body)[0] if stream else json.loads(body)
            assert 0 <= int(answer["id"].removeprefix("chatcmpl-")) < 999


async def test_v1_repeats_the_role_in_every_chunk() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        _, body = await asked(http, CHAT, stream=True)
        assert {delta["role"] for delta in deltas(events(body))} == {"assistant"}


async def test_v1_makes_a_message_of_every_part_and_fetches_no_images() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        parts: list[dict[str, Any]] = [{"type": "text", "text": "a b"}]
        parts.append({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})
        status, body = await asked(http, CHAT, messages=[{"role": "user", "content": parts}])
        assert status == 400
        assert "base64 encoded data instead" in json.loads(body)["error"]["message"]


async def test_an_error_in_mid_stream_is_lost_on_v1_and_the_last_line_natively() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        fake.engine.answer = Answer(({"content": "Hel"},), error="out of memory")
        _, sse = await asked(http, CHAT, stream=True)
        assert b"out of memory" not in sse
        assert b"[DONE]" not in sse
        assert [c["choices"][0]["finish_reason"] for c in events(sse)] == [None, None]
        status, lines = await asked(http, "/api/chat")
        assert status == 200
        assert json.loads(lines.splitlines()[-1]) == {"error": "out of memory"}


async def test_errors_have_two_shapes() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        status, native = await asked(http, "/api/chat", model="nope")
        assert (status, json.loads(native)) == (404, {"error": "model 'nope' not found"})
        status, nested = await asked(http, CHAT, model="nope")
        assert status == 404
        assert json.loads(nested)["error"] == {
            "message": "model 'nope' not found",
            "type": "not_found_error",
            "param": None,
            "code": None,
        }


async def test_an_empty_conversation_is_refused_on_v1_and_loads_or_unloads_natively() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        assert (await asked(http, CHAT, messages=[]))[0] == 400
        _, loaded = await asked(http, "/api/chat", messages=[], stream=False)
        assert json.loads(loaded)["done_reason"] == "load"
        assert [m["name"] for m in (await got(http, "/api/ps"))["models"]] == ["llama3:8b"]
        _, gone = await asked(http, "/api/chat", messages=[], keep_alive=0, stream=False)
        assert json.loads(gone)["done_reason"] == "unload"
        assert (await got(http, "/api/ps"))["models"] == []


async def test_requests_beyond_its_parallelism_wait_without_a_byte() -> None:
    async with FakeOllama(parallel=2) as fake, client(fake.url) as http:
        fake.engine.answer = Answer(hold_after=0)
        asking = [asyncio.ensure_future(opened(http, CHAT, stream=True)) for _ in range(3)]
        await eventually(lambda: fake.engine.open == 3 and fake.engine.generating == 2)
        assert not any(request.done() for request in asking)
        fake.engine.release.set()
        for request in asking:
            (await request).close()
        assert (fake.engine.max_open, fake.engine.max_generating) == (3, 2)


@pytest.mark.parametrize("family", ["qwen35moe", "mllama", "nemotron_h_moe"])
async def test_some_families_take_one_request_at_a_time_whatever_is_set(family: str) -> None:
    models = (FakeModel("m", family=family),)
    async with FakeOllama(models, parallel=4) as fake, client(fake.url) as http:
        fake.engine.answer = Answer(hold_after=0)
        asking = [asyncio.ensure_future(asked(http, CHAT, model="m")) for _ in range(3)]
        await eventually(lambda: fake.engine.open == 3 and fake.engine.generating == 1)
        fake.engine.release.set()
        await asyncio.gather(*asking)
        assert fake.engine.max_generating == 1


async def test_a_waiting_request_leaves_at_once_with_its_client() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        fake.engine.answer = Answer(hold_after=0)
        first = asyncio.ensure_future(asked(http, CHAT))
        await eventually(lambda: fake.engine.generating == 1)
        second = asyncio.ensure_future(asked(http, CHAT))
        await eventually(lambda: fake.engine.open == 2)
        second.cancel()
        await eventually(lambda: fake.engine.open == 1 and fake.requests[1].cut)
        assert not fake.requests[0].cut
        fake.engine.release.set()
        await first


async def test_a_cold_load_blocks_without_a_byte_while_the_daemon_looks_well() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        fake.engine.may_load.clear()
        request = asyncio.ensure_future(opened(http, CHAT, stream=True))
        await eventually(lambda: fake.engine.pending == 1)
        assert (await got(http, "/api/version"))["version"] == "0.33.0"
        assert (await got(http, "/api/ps"))["models"] == []
        assert not request.done()
        fake.engine.may_load.set()
        (await request).close()


async def test_only_requests_that_need_a_load_find_the_server_busy() -> None:
    async with FakeOllama(parallel=1, max_queue=1) as fake, client(fake.url) as http:
        await asked(http, CHAT)
        fake.engine.may_load.clear()
        loading = asyncio.ensure_future(asked(http, CHAT, model="gemma:2b"))
        await eventually(lambda: fake.engine.pending == 1)
        assert (await asked(http, CHAT, model="qwen3:4b"))[0] == 503
        status, native = await asked(http, "/api/chat", model="qwen3:4b")
        assert (status, json.loads(native)["error"]) == (503, BUSY)
        assert (await asked(http, CHAT))[0] == 200
        fake.engine.may_load.set()
        assert (await loading)[0] == 200


async def test_another_context_length_loads_the_model_anew_once_nobody_uses_it() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        fake.engine.answer = Answer(hold_after=0)
        first = asyncio.ensure_future(asked(http, CHAT))
        await eventually(lambda: fake.engine.generating == 1)
        other = asyncio.ensure_future(
            asked(http, "/api/chat", stream=False, options={"num_ctx": 8192})
        )
        await eventually(lambda: fake.engine.pending == 1)
        assert fake.engine.loads == [("llama3:8b", 4096)]
        fake.engine.release.set()
        await asyncio.gather(first, other)
        assert fake.engine.loads == [("llama3:8b", 4096), ("llama3:8b", 8192)]
        assert (await got(http, "/api/ps"))["models"][0]["context_length"] == 8192


async def test_a_model_is_unloaded_when_its_time_is_over() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        await asked(http, "/api/chat", stream=False, keep_alive="20ms")
        await eventually(lambda: not fake.engine.memory)
        await asked(http, "/api/chat", stream=False, keep_alive=-1)
        (loaded,) = fake.engine.memory.values()
        assert loaded.expiry is None
        await asked(http, CHAT)
        assert loaded.expiry is not None


async def test_a_long_prompt_is_cut_silently_unless_that_is_forbidden() -> None:
    async with FakeOllama(default_ctx=3) as fake, client(fake.url) as http:
        long = [{"role": "user", "content": "one two"}, {"role": "user", "content": "three four"}]
        _, body = await asked(http, CHAT, messages=long)
        assert json.loads(body)["usage"]["prompt_tokens"] == 2
        status, refused = await asked(http, "/api/chat", messages=long, truncate=False)
        assert status == 400
        child = json.loads(json.loads(refused)["error"])
        assert child["error"]["type"] == "exceed_context_size_error"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "gemma:2b", "tools": TOOLS}, "gemma:2b does not support tools"),
        ({"model": "gemma:2b", "think": True}, '"gemma:2b" does not support thinking'),
        ({"model": "nomic-embed-text"}, '"nomic-embed-text" does not support chat'),
        ({"think": "xhigh"}, "invalid think value"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "cannot unmarshal"),
        ({"messages": [{"role": "user", "content": "", "images": ["?"]}]}, "illegal base64"),
    ],
)
async def test_the_native_api_refuses_what_it_cannot_do(fields: dict[str, Any], words: str) -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        status, body = await asked(http, "/api/chat", **fields)
        assert status == 400
        assert words in json.loads(body)["error"]


async def test_what_is_installed_and_what_it_can_do_is_told_without_loading() -> None:
    async with FakeOllama() as fake, client(fake.url) as http:
        assert len((await got(http, "/api/tags"))["models"]) == 4
        assert {m["owned_by"] for m in (await got(http, "/v1/models"))["data"]} == {"library"}
        _, shown = await asked(http, "/api/show", model="QWEN3:4B")
        assert "thinking" in json.loads(shown)["capabilities"]
        root = await http.send(http.head("GET", "/"))
        assert await root.read(100) == b"Ollama is running"
        root.close()
        assert fake.engine.loads == []
