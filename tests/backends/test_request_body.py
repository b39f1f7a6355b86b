from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec import json as msgspec_json

from backends.base import BackendKind, Call, Operation, TargetModel
from tests.backends.adapters import MESSAGES, adapter, prepare, sent

KINDS: list[BackendKind] = ["llamacpp", "llama-cpp-python", "vllm", "openai"]
COUNTING: list[BackendKind] = ["llamacpp", "vllm", "openai"]
SCHEDULING = {"priority": 1, "cache_salt": "x", "id_slot": 0, "keep_alive": "1h", "session_id": "s"}

_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.booleans() | _NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


# Names that adapters know are among what Hypothesis tries.
_UNKNOWN = st.text(min_size=12).map(lambda name: f"x-{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_fields_survive_byte_for_byte(kind: BackendKind) -> None:
    body = b'{"model":"public","big":123456789012345678901234567890,"price":1.10,"x":{"a" :[1, 2]}}'
    fields = msgspec_json.decode(body, type=dict[str, Raw])
    call = Call(Operation.CHAT, "public", fields)
    prepared = adapter(kind).prepare(call, TargetModel("org/tiny"))
    assert prepared.body == body.replace(b'"public"', b'"org/tiny"')
    assert bytes(fields["model"]) == b'"public"'


@pytest.mark.parametrize("kind", KINDS)
@given(
    extra=st.dictionaries(_UNKNOWN, _JSON, max_size=4),
    indent=st.sampled_from([None, 1]),
)
def test_any_unknown_field_survives(kind: BackendKind, extra: dict[str, Any], indent: int) -> None:
    body = json.dumps({"model": "public", "messages": [], **extra}, indent=indent)
    call = Call(Operation.CHAT, "public", msgspec_json.decode(body, type=dict[str, Raw]))
    prepared = adapter(kind).prepare(call, TargetModel("tiny"))
    assert json.loads(prepared.body) == json.loads(body) | {"model": "tiny"}


@pytest.mark.parametrize("kind", KINDS)
def test_clients_do_not_schedule(kind: BackendKind) -> None:
    assert sent(kind, messages=MESSAGES, **SCHEDULING) == {"model": "tiny", "messages": MESSAGES}


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_own_headers_go_out(kind: BackendKind) -> None:
    backend = adapter(kind, "http://127.0.0.1:1/base", api_key="s3cret", headers={"x-team": "a"})
    call = Call(Operation.EMBEDDINGS, "public", {"input": Raw(b'"x"')})
    head = backend.prepare(call, TargetModel("tiny")).head
    assert head.decode().splitlines() == [
        "POST /base/v1/embeddings HTTP/1.1",
        "host: 127.0.0.1:1",
        "accept-encoding: identity",
        "content-type: application/json",
        "accept: */*",
        "x-team: a",
        "authorization: Bearer s3cret",
    ]


def test_a_url_that_ends_in_v1_is_not_doubled() -> None:
    backend = adapter("openai", "http://127.0.0.1:1/openai/v1/")
    call = Call(Operation.CHAT, "public", {})
    head = backend.prepare(call, TargetModel("tiny")).head
    assert head.startswith(b"POST /openai/v1/chat/completions HTTP/1.1\r\n")


@pytest.mark.parametrize("kind", COUNTING)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": "yes"}, {"include_usage": True}),
        ({"stream_options": {"x": 1}}, {"x": 1, "include_usage": True}),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}),
    ],
)
def test_streams_are_counted_whether_the_caller_asks_or_not(
    kind: BackendKind, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert sent(kind, stream=True, **given)["stream_options"] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_stream_gets_no_stream_options(kind: BackendKind) -> None:
    assert "stream_options" not in sent(kind, messages=MESSAGES)
    assert "stream_options" not in sent(kind, Operation.EMBEDDINGS, input="x", stream=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_runner_ignores_is_told_unless_it_asks_for_nothing(kind: BackendKind) -> None:
    neutral = {"n": 1, "parallel_tool_calls": True, "modalities": ["text"], "user": "u"}
    assert prepare(kind, messages=MESSAGES, **neutral).ignored == ()
    expected = () if kind == "openai" else ("audio", "modalities")
    asked = prepare(kind, messages=MESSAGES, modalities=["text", "audio"], audio={"voice": "a"})
    assert asked.ignored == expected


def test_llama_server_ignores_dimensions() -> None:
    assert prepare("llamacpp", Operation.EMBEDDINGS, input="x", dimensions=8).ignored == (
        "dimensions",
    )
    assert prepare("vllm", Operation.EMBEDDINGS, input="x", dimensions=8).ignored == ()
