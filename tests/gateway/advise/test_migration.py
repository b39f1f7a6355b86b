from __future__ import annotations

import pytest

from backends.base import BackendKind
from gateway.advise.migration import changes
from gateway.advise.use import Use, uses_of_fields, uses_of_request

ALL = frozenset(Use)


def areas(source: BackendKind, destination: BackendKind, *uses: Use) -> list[str]:
    return [change.area for change in changes(source, destination, frozenset(uses))]


def test_from_ollama_to_vllm_everything_that_is_used_is_told() -> None:
    told = areas("ollama", "vllm", *Use)
    for area in (
        *("names", "model count", "sampling defaults", "context length", "tools", "JSON schema"),
        *("thinking", "token limits", "keep_alive", "images", "embeddings", "Ollama's own API"),
    ):
        assert area in told


def test_what_is_not_used_is_not_told() -> None:
    assert "tools" not in areas("ollama", "vllm")
    assert areas("ollama", "vllm", Use.TOOLS).count("tools") == 1
    assert "token limits" not in areas("ollama", "vllm", Use.TOOLS)


@pytest.mark.parametrize("kind", ["ollama", "llamacpp", "vllm", "openai"])
def test_staying_changes_nothing(kind: BackendKind) -> None:
    assert changes(kind, kind, ALL) == ()


def test_ollamas_own_habits_are_not_told_of_others() -> None:
    told = areas("llamacpp", "vllm", *Use)
    assert "keep_alive" not in told
    assert "Ollama's own API" not in told


def test_no_change_is_told_twice() -> None:
    for source in ("ollama", "llamacpp", "llama-cpp-python", "openai", "vllm"):
        for destination in ("llamacpp", "vllm"):
            told = [change.text for change in changes(source, destination, ALL)]
            assert len(told) == len(set(told))


def test_a_request_tells_what_it_uses_by_its_fields() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
        "tools": [],
        "response_format": {"type": "json_schema"},
        "max_completion_tokens": None,
        "options": {"num_ctx": 8192},
    }
    assert uses_of_request(body) == {Use.IMAGES, Use.JSON_SCHEMA, Use.CONTEXT, Use.NATIVE_API}
    assert uses_of_request({"input": "text"}) == {Use.EMBEDDINGS}
    assert uses_of_request({"messages": "odd", "options": 3}) == frozenset()
    assert uses_of_fields(["think", "unheard_of"]) == {Use.THINKING}
