from __future__ import annotations

from typing import Any

import pytest

from backends.base import TargetModel
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama import OllamaBackend
from backends.transport import Transport
from tests.backends.ollama_calls import TARGET, call
from tests.backends.ollama_driver import BOTH_WAYS, PINNED, TOOLS, answered, driven, streamed, text
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_engine import Answer

pytestmark = pytest.mark.anyio

PULL = b'{"error":"model \\"x:1\\" not found, try pulling it first"}'
CHILD = b'{"error":"{\\"error\\":{\\"code\\":500,\\"message\\":\\"Jinja Exception\\"}}"}'


@pytest.mark.parametrize("target", [TARGET, PINNED])
async def test_an_error_after_text_ends_with_an_error_event(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        fake.engine.answer = Answer(({"content": "Hel"},), error="out of memory")
        chunks, reader = await streamed(backend, backend.prepare(call(stream=True), target))
        assert text(chunks) == "Hel"
        assert "error" in chunks[-1]
        assert reader.failed is not None
        if target is PINNED:
            assert "out of memory" in chunks[-1]["error"]["message"]


@BOTH_WAYS
async def test_an_error_before_text_is_a_status(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        stopped = "model runner has unexpectedly stopped, this may be due to resource limitations"
        fake.engine.answer = Answer((), error=stopped)
        for stream in (False, True):
            with pytest.raises(RunnerRefused, match="unexpectedly stopped") as refused:
                await streamed(backend, backend.prepare(call(stream=stream), target))
            assert (refused.value.status, refused.value.retryable) == (502, False)


@BOTH_WAYS
async def test_a_model_that_is_not_installed_is_the_operators_fault(target: TargetModel) -> None:
    missing = TargetModel("llama9:8b", target.options)
    async with FakeOllama() as fake, driven(fake) as backend:
        with pytest.raises(RunnerRefused, match="ollama pull llama9:8b") as refused:
            await answered(backend, backend.prepare(call(), missing))
        assert (refused.value.status, refused.value.code) == (502, "upstream_model_not_found")


@BOTH_WAYS
@pytest.mark.parametrize(
    ("model", "fields", "words", "param"),
    [
        ("gemma:2b", {"tools": TOOLS}, "does not support tools", "tools"),
        ("gemma:2b", {"reasoning_effort": "high"}, "not support thinking", "reasoning_effort"),
        ("nomic-embed-text", {}, "does not serve this operation", None),
    ],
)
async def test_what_a_model_cannot_do_is_the_callers_fault(
    target: TargetModel, model: str, fields: dict[str, Any], words: str, param: str | None
) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        wrong = TargetModel(model, target.options)
        with pytest.raises(RunnerRefused, match=words) as refused:
            await answered(backend, backend.prepare(call(**fields), wrong))
        assert (refused.value.status, refused.value.param) == (400, param)


@BOTH_WAYS
async def test_a_value_of_the_wrong_type_is_the_callers_fault(target: TargetModel) -> None:
    async with FakeOllama() as fake, driven(fake) as backend:
        with pytest.raises(RunnerRefused, match="temperature") as refused:
            await answered(backend, backend.prepare(call(temperature="hot"), target))
        assert (refused.value.status, refused.value.type) == (400, "invalid_request_error")
        assert refused.value.param == ("temperature" if target is PINNED else None)


@BOTH_WAYS
async def test_a_full_load_queue_may_be_tried_again(target: TargetModel) -> None:
    async with FakeOllama(max_queue=0) as fake, driven(fake) as backend:
        with pytest.raises(RunnerRefused, match="server busy") as refused:
            await answered(backend, backend.prepare(call(), target))
        assert (refused.value.status, refused.value.retryable) == (503, True)


async def test_a_prompt_that_may_not_be_truncated_is_too_long() -> None:
    strict = TargetModel("llama3:8b", {"num_ctx": 4, "truncate": False})
    async with FakeOllama() as fake, driven(fake) as backend:
        asked = call(messages=[{"role": "user", "content": "one two three four five"}])
        with pytest.raises(RunnerRefused, match="5 tokens") as refused:
            await answered(backend, backend.prepare(asked, strict))
        assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("status", "body", "seen", "code"),
    [
        (499, b'{"error":"request canceled"}', 502, "upstream_error"),
        (404, PULL, 502, "upstream_model_not_found"),
        (500, CHILD, 502, "upstream_error"),
        (401, b"go away", 502, "upstream_auth_failed"),
        (404, b"404 page not found", 400, "unsupported_operation"),
        (400, b'{"error":"invalid think value"}', 400, None),
    ],
)
def test_an_error_answer_is_classified(
    status: int, body: bytes, seen: int, code: str | None
) -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    refused = backend.read_error(status, (), body)
    assert isinstance(refused, RunnerRefused)
    assert (refused.status, refused.code) == (seen, code)


def test_an_answer_that_is_neither_reply_nor_error_is_invalid() -> None:
    backend = OllamaBackend(Transport("http://127.0.0.1:1"), name="laptop")
    assert isinstance(backend.read_error(301, (), b""), ReplyInvalid)
