"""A program for whatever `openai` is installed: `… BASE_URL` prints what it got, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai

MESSAGES: Any = [{"role": "user", "content": "Say hello."}]


def use(base_url: str) -> dict[str, Any]:
    """Chat, stream, embed and list, without async."""
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(model="demo", messages=MESSAGES)
        stream = client.chat.completions.create(
            model="demo", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        try:
            client.chat.completions.create(model="nobody", messages=MESSAGES)
            refused = ""
        except openai.NotFoundError as error:
            refused = str(error.code)
        return {
            "version": openai.__version__,
            "text": answer.choices[0].message.content,
            "streamed": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
            "usages": sum(chunk.usage is not None for chunk in chunks),
            "vector": client.embeddings.create(model="demo", input="Hi").data[0].embedding,
            "models": [model.id for model in client.models.list()],
            "refused": refused,
        }


async def use_async(base_url: str) -> str:
    """Stream with the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(model="demo", messages=MESSAGES, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])


if __name__ == "__main__":
    got = use(sys.argv[1])
    print(json.dumps(got | {"async": asyncio.run(use_async(sys.argv[1]))}))
