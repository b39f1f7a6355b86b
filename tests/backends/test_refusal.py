from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.error_body import MESSAGE_LIMIT, read_error_body
from backends.errors import ReplyInvalid, RunnerRefused
from backends.refusal import read_refusal
from tests.backends.openai_replies import RUNNER
from tests.fakes.recording import RUNNERS, Recording, recordings

INVALID = "invalid_request_error"
FAILURES = {
    f"{kind} {recording.case}": recording
    for kind in RUNNERS
    for recording in recordings(kind).values()
    if recording.status >= 400 and recording.method == "POST"
}
NOT_SERVED = f"{RUNNER} does not serve this operation (a hint)"
ONLY_FOR_TEXT = (400, None, "unsupported_operation", NOT_SERVED)
EXPECTED: dict[str, tuple[int, str | None, str | None, str]] = {
    "llamacpp chat_image_part": (400, None, None, "image input is not supported"),
    "llamacpp embeddings": ONLY_FOR_TEXT,
    "llamacpp err_bad_temperature": (400, "temperature", None, "type must be number"),
    "llamacpp err_context_too_long": (400, "messages", "context_length_exceeded", "40011 tokens"),
    "llamacpp err_context_too_long_stream": (400, "messages", "context_length_exceeded", "40011"),
    "llamacpp err_malformed_json": (400, None, None, "parse error at line 1"),
    "llamacpp err_negative_max_tokens": (400, "max_tokens", None, "but got -5"),
    "llamacpp err_no_messages": (400, None, None, "'messages' is required"),
    "llamacpp err_not_json_type": (400, None, None, "parse error"),
    "llamacpp err_pooling_none": ONLY_FOR_TEXT,
    "llamacpp err_unknown_path": ONLY_FOR_TEXT,
    "llama-cpp-python chat_developer_role": (
        400,
        "messages.0.ChatCompletionRequestSystemMessage.role",
        None,
        "and 4 more",
    ),
    "llama-cpp-python chat_json_schema": (400, "response_format.type", None, "Input should be"),
    "llama-cpp-python embeddings": ONLY_FOR_TEXT,
    "llama-cpp-python err_bad_temperature": (400, "temperature", None, "valid number"),
    "llama-cpp-python err_context_too_long": (
        400,
        "messages",
        "context_length_exceeded",
        "you requested 40015 tokens",
    ),
    "llama-cpp-python err_embeddings_tokens": (400, "input.str", None, "valid string"),
    "llama-cpp-python err_malformed_json": (502, None, "upstream_error", "Internal Server Error"),
    "llama-cpp-python err_not_json_type": (502, None, "upstream_error", "HTTP 500"),
    "llama-cpp-python err_two_prompts": (502, None, "upstream_error", "HTTP 500: no message"),
    "llama-cpp-python err_unknown_path": ONLY_FOR_TEXT,
    "vllm chat_image_part": (400, None, None, "tiny is not a multimodal model"),
    "vllm chat_tools_auto": (400, None, None, "--enable-auto-tool-choice"),
    "vllm chat_tools_required": (400, None, None, "--tool-call-parser"),
    "vllm chat_tools_required_stream": (400, None, None, "--tool-call-parser"),
    "vllm embeddings": ONLY_FOR_TEXT,
    "vllm err_bad_temperature": (400, "temperature", None, "temperature: Input should be a valid"),
    "vllm err_context_too_long": (400, "messages", "context_length_exceeded", "100050 characters"),
    "vllm err_context_too_long_stream": (400, "messages", "context_length_exceeded", "100050"),
    "vllm err_empty_messages": (400, None, None, "Provide at least one message"),
    "vllm err_malformed_json": (400, "28", None, "JSON decode error"),
    "vllm err_negative_max_tokens": (400, "max_tokens", None, "at least 1, got -5"),
    "vllm err_no_messages": (400, "messages", None, "messages: Field required"),
    "vllm err_not_json_type": (400, None, None, "Only 'application/json' is allowed"),
    "vllm err_temperature_range": (400, "temperature", None, "must be in [0, 2]"),
    "vllm err_unknown_model": (502, None, "upstream_model_not_found", "`nope` does not exist"),
    "vllm err_unknown_path": ONLY_FOR_TEXT,
}


def refusal(status: int, body: bytes | Any, **headers: str) -> RunnerRefused:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    error = read_refusal(status, sent, raw, runner=RUNNER, hint="a hint")
    assert isinstance(error, RunnerRefused)
    return error


def test_every_recorded_error_is_expected_to_become_something() -> None:
    assert EXPECTED.keys() == FAILURES.keys()


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_a_recorded_error_becomes_one_of_openai(name: str) -> None:
    recording: Recording = FAILURES[name]
    error = refusal(recording.status, recording.answer)
    status, param, code, message = EXPECTED[name]
    assert (error.status, error.param, error.code) == (status, param, code)
    assert error.type == (INVALID if status == 400 else "server_error")
    assert message in error.message
    assert not error.retryable
    assert not {"site-packages", 'File "'} & set(error.message.split())


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, {"error": {"message": "Loading model", "code": 503}}, (503, "model_loading", True)),
        (503, {"status": "starting", "message": "starting up"}, (503, "model_loading", True)),
        (503, {"error": {"message": "The engine is currently busy"}}, (503, "overloaded", True)),
        (503, {"error": "The model is currently scaling"}, (503, "overloaded", True)),
        (503, b"", (503, "overloaded", True)),
        (
            429,
            {"error": "Model is overloaded", "error_type": "overloaded"},
            (503, "overloaded", True),
        ),
        (429, {"error": {"code": "insufficient_quota"}}, (502, "upstream_quota_exceeded", False)),
        (
            500,
            {"error": {"message": "model limit reached, try again later"}},
            (503, "overloaded", True),
        ),
        (401, {"error": "Unauthorized"}, (502, "upstream_auth_failed", False)),
        (401, {"detail": "Invalid API key"}, (502, "upstream_auth_failed", False)),
        (403, b"", (502, "upstream_auth_failed", False)),
        (403, {"error": {"type": "feature_disabled"}}, (400, "unsupported_operation", False)),
        (404, b"404 page not found", (400, "unsupported_operation", False)),
        (405, {"detail": "Method Not Allowed"}, (400, "unsupported_operation", False)),
        (501, b"", (400, "unsupported_operation", False)),
        (
            400,
            {"error": {"message": "model 'x' not found"}},
            (502, "upstream_model_not_found", False),
        ),
        (404, {"error": "failed to fetch x"}, (502, "upstream_error", False)),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "too big"}]}, (400, None, False)),
        (413, b"", (413, None, False)),
        (
            424,
            {"error": "generation failed", "error_type": "generation"},
            (502, "upstream_error", False),
        ),
        (
            500,
            {"error": {"message": "model name=bad failed to load"}},
            (502, "upstream_error", False),
        ),
        (502, b"<html><title>Bad Gateway</title>", (502, "upstream_error", False)),
        (504, b"", (502, "upstream_error", False)),
    ],
)
def test_the_status_says_whose_fault_it_is(
    status: int, body: Any, expected: tuple[int, str | None, bool]
) -> None:
    error = refusal(status, body)
    assert (error.status, error.code, error.retryable) == expected
    if error.status >= 500:
        assert RUNNER in error.message


@pytest.mark.parametrize(
    "message",
    [
        "the input length exceeds the context length",
        "The input (9 tokens) is longer than the model's context length (8 tokens).",
        "input (900 tokens) is too large to process. increase the physical batch size",
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_context_that_is_too_long_is_told_in_every_dialect(status: int, message: str) -> None:
    for body in (
        {"error": message},
        {"error": {"message": message}},
        {"object": "error", "message": message, "code": status},
        {"error": json.dumps({"error": {"message": message}})},
    ):
        error = refusal(status, body)
        assert (error.status, error.code, error.message) == (
            400,
            "context_length_exceeded",
            message,
        )


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", 0.0), ("1e9", 3600.0), ("soon", None)]
)
def test_a_runner_may_say_when_to_come_again(value: str, seconds: float | None) -> None:
    assert refusal(503, b"", retry_after=value).retry_after_s == seconds


@pytest.mark.parametrize("status", [100, 204, 301, 307])
def test_a_status_that_is_no_error_points_at_the_url(status: int) -> None:
    error = read_refusal(status, [], b"", runner=RUNNER)
    assert isinstance(error, ReplyInvalid)
    assert "url" in str(error)


def test_the_input_that_a_validation_error_repeats_is_not_passed_on() -> None:
    text = (
        "2 validation errors:\n  {'type': 'x', 'loc': ('body', 'messages', 0, 'content'), "
        "'msg': \"Input isn't a string\", 'input': 'my secret'}\n"
        "  {'type': 'y', 'loc': 'body.n', 'msg': 'too big', 'input': 9}"
    )
    error = refusal(500, {"error": {"message": text}})
    assert error.message == "messages.0.content: Input isn't a string; n: too big"
    assert error.param == "messages.0.content"


@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_any_body_is_read_into_one_clean_line(body: bytes) -> None:
    message = read_error_body(body).message
    assert len(message) <= MESSAGE_LIMIT
    assert all(character.isprintable() or not character.isascii() for character in message)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(["error", "detail", "message"]), _JSON, st.integers(400, 599))
def test_any_json_body_becomes_a_refusal(key: str, value: Any, status: int) -> None:
    error = refusal(status, {key: value})
    assert 400 <= error.status < 600
    assert error.message


def test_a_long_message_is_cut() -> None:
    error = refusal(400, {"error": {"message": "x\x00\n" * 5000}})
    assert len(error.message) == MESSAGE_LIMIT
    assert error.message.endswith("…")
    assert "\x00" not in error.message
