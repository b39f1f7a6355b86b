"""Libraries that people use, pointed at the gateway by their base URL and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.acceptance.gateway_here import Here, gateway_here
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import Answer
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
ARGUMENTS = {"city": "Paris"}
CALL = {"function": {"name": "get_weather", "arguments": ARGUMENTS}}
"""As Ollama writes it: the arguments are an object, and there is no type."""
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    async with (
        FakeRunner("llamacpp", embeddings=True) as box,
        FakeRunner("vllm") as gpu,
        FakeOllama() as ollama,
    ):
        ollama.engine.answer = Answer(({"tool_calls": [CALL]},))
        config = {
            "runners": {
                "box": {"backend": "llamacpp", "url": box.url, "slots": 2},
                "gpu": {"backend": "vllm", "url": gpu.url, "slots": 2},
                "laptop": {"backend": "ollama", "url": ollama.url},
            },
            "models": {
                "demo": {
                    "aliases": ["gpt-4o-mini", "text-embedding-3-small"],
                    "backends": {"llamacpp": {"runners": ["box"], "model": "tiny"}},
                },
                "big": {"backends": {"vllm": {"runners": ["gpu"], "model": "tiny"}}},
                "caller": {"backends": {"ollama": {"runners": ["laptop"], "model": "llama3:8b"}}},
                "embedder": {
                    "backends": {"ollama": {"runners": ["laptop"], "model": "nomic-embed-text"}}
                },
            },
        }
        async with gateway_here(tmp_path_factory.mktemp("gateway"), config) as here:
            yield here


@pytest.fixture
async def client(here: Here) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=here.base_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", ["demo", "gpt-4o-mini", "big"])
async def test_openai_chats(client: openai.AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(model=model, messages=MESSAGES)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize("model", ["demo", "gpt-4o-mini", "big"])
async def test_openai_streams_and_gets_usage_only_when_it_asks(
    client: openai.AsyncOpenAI, model: str
) -> None:
    for asked in (True, False):
        stream = await client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": asked}
        )
        chunks = [chunk async for chunk in stream]
        usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
        assert len(usages) == asked
        assert chunks[0].choices[0].delta.role == "assistant"
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
        assert [reason for reason in reasons if reason] == reasons[-1:]


async def test_openai_without_async_chats_and_streams(here: Here) -> None:
    def use() -> list[str]:
        with openai.OpenAI(base_url=here.base_url, api_key="none", max_retries=0) as client:
            answer = client.chat.completions.create(model="demo", messages=MESSAGES)
            stream = client.chat.completions.create(model="demo", messages=MESSAGES, stream=True)
            pieces = [c.choices[0].delta.content or "" for c in stream if c.choices]
            return [answer.choices[0].message.content or "", "".join(pieces)]

    assert all(await asyncio.to_thread(use))


async def test_openai_completes_prompts(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="big", prompt="Once", max_tokens=4)
    assert answer.choices[0].text
    stream = await client.completions.create(model="big", prompt="Once", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])


async def test_openai_embeds(client: openai.AsyncOpenAI) -> None:
    # The library asks for base64 unless told otherwise, and decodes it.
    packed = await client.embeddings.create(model="text-embedding-3-small", input="Hello")
    plain = await client.embeddings.create(
        model="text-embedding-3-small", input="Hello", encoding_format="float"
    )
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
    two = await client.embeddings.create(
        model="embedder", input=["Hello", "there"], encoding_format="float"
    )
    assert len(two.data) == 2
    for item in (*packed.data, *plain.data, *two.data):
        assert all(isinstance(value, float) for value in item.embedding)


async def test_openai_lists_models(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert names[:4] == ["demo", "gpt-4o-mini", "text-embedding-3-small", "big"]
    assert (await client.models.retrieve("gpt-4o-mini")).id == "gpt-4o-mini"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


async def test_openai_calls_a_tool_and_hands_its_result_back(client: openai.AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model="caller", messages=MESSAGES, tools=[TOOL])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == ARGUMENTS
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    asked: Any = message.model_dump(exclude_none=True)
    second = await client.chat.completions.create(
        model="caller", messages=[*MESSAGES, asked, result], tools=[TOOL]
    )
    assert second.choices[0].finish_reason is not None


async def test_openai_puts_a_streamed_tool_call_together(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="caller", messages=MESSAGES, tools=[TOOL]
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    [call] = final.choices[0].message.tool_calls or []
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == ARGUMENTS


async def test_openai_raises_its_own_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Did you mean 'demo'"):
        await client.chat.completions.create(model="demi", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="demo", messages=[])
    assert caught.value.param == "messages"


async def test_openai_pools_its_connections_without_losing_a_call(
    client: openai.AsyncOpenAI,
) -> None:
    async def chat(stream: bool) -> None:
        if not stream:
            await client.chat.completions.create(model="big", messages=MESSAGES)
            return
        answer = await client.chat.completions.create(model="big", messages=MESSAGES, stream=True)
        assert [chunk async for chunk in answer]

    for _ in range(3):
        await asyncio.gather(*(chat(stream=bool(i % 2)) for i in range(20)))


@pytest.fixture
async def langchain(here: Here) -> AsyncIterator[dict[str, Any]]:
    """Options of its models; it would leave connections of its own open."""
    async with openai.DefaultAsyncHttpxClient() as client:
        with openai.DefaultHttpxClient() as blocking:
            yield {
                "base_url": here.base_url,
                "api_key": "none",
                "max_retries": 0,
                "http_async_client": client,
                "http_client": blocking,
            }


async def test_langchain_chats_and_streams(langchain: dict[str, Any]) -> None:
    model = ChatOpenAI(model="demo", stream_usage=True, **langchain)
    answer = await model.ainvoke("Say hello.")
    assert answer.text
    assert answer.usage_metadata is not None
    pieces = [piece async for piece in model.astream("Say hello.")]
    assert "".join(piece.text for piece in pieces)
    assert any(piece.usage_metadata is not None for piece in pieces)
    assert (await asyncio.to_thread(model.invoke, "Say hello.")).text
    assert len(await model.abatch(["One.", "Two.", "Three."])) == 3


async def test_langchain_calls_tools(langchain: dict[str, Any]) -> None:
    model = ChatOpenAI(model="caller", **langchain).bind_tools([TOOL])
    [call] = (await model.ainvoke("Weather?")).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", ARGUMENTS)


async def test_langchain_embeds(langchain: dict[str, Any]) -> None:
    # Otherwise it sends token numbers of a tokeniser of OpenAI's.
    embeddings = OpenAIEmbeddings(model="embedder", check_embedding_ctx_length=False, **langchain)
    assert len(await embeddings.aembed_query("Hello")) > 1
    assert len(await embeddings.aembed_documents(["One", "Two"])) == 2
