"""Which request bodies are refused, and in which words."""

from __future__ import annotations

import pytest

from backends.base import Operation
from tests.gateway.inference.envelopes import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MESSAGES,
    chat,
    refusal,
    refused,
)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "input data was truncated"),
        (b" \n\t ", "input data was truncated"),
        (b"{", "input data was truncated"),
        (chat()[:-1], "input data was truncated"),
        (chat() + b"x", "trailing characters (byte "),
        (chat() + chat(), "trailing characters"),
        (b"\xef\xbb\xbf" + chat(), "invalid character (byte 0)"),
        (b"{'model':'m'}", "object keys must be strings"),
        (b'{"model":"m",}', "trailing comma"),
        (b"model=llama3&stream=true", "invalid character (byte 0)"),
        (chat('"temperature":NaN'), "invalid character"),
        (chat('"temperature":Infinity'), "invalid character"),
        (chat('"x":01'), "invalid number"),
        (chat('"x":tru'), "invalid character"),
        (chat('"x":"a\nb"'), "invalid character"),
        (chat('"x":"\\uZZZZ"'), "invalid character in unicode escape"),
        (b'{"model":"\\ud800",%s}' % MESSAGES.encode(), "surrogate"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_reason(body: bytes, says: str) -> None:
    error = refused(body)
    assert error.code == "invalid_body"
    assert error.param is None
    assert error.message.startswith("The request body is not valid JSON: ")
    assert says in error.message


@pytest.mark.parametrize("body", ["[]", "3", "null", "true", '"text"', "[" * 100_000])
def test_a_body_that_is_no_object_is_refused_with_an_example(body: str) -> None:
    error = refused(body)
    assert error.code == "invalid_body"
    assert '{"model": "…", "messages": [' in error.message


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"\xff\xfe{}", 0),
        (chat('"x":"\xff"').replace("\xff".encode(), b"\xff"), 67),
        (chat('"x":"cut"').replace(b"cut", b"\xe2\x82"), 67),
        (chat('"x":"half a pair"').replace(b"half a pair", b"\xed\xa0\x80"), 67),
    ],
)
def test_a_body_that_is_not_utf8_is_refused_even_where_nobody_looks(body: bytes, at: int) -> None:
    error = refused(body)
    assert error.code == "invalid_body"
    assert error.message == f"The request body is not valid UTF-8 (byte {at})."


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000,
        chat('"x":' + "[" * 100_000 + "]" * 100_000),
        chat('"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000),
        b'{"model":"m","messages":[{"role":"user","content":[{"x":' + b"[" * 100_000,
    ],
    ids=["objects", "unknown field", "objects in an unknown field", "content part"],
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    error = refused(body)
    assert error.message == "The request body is nested too deeply."
    assert error.code == "invalid_body"


def test_no_depth_of_nesting_escapes_as_another_error() -> None:
    """The checks have different limits, so every depth near them is tried."""
    for depth in range(850, 1010):
        error = refusal(chat(f'"model":"twice","x":{"[" * depth}{"]" * depth}'))
        assert error is not None
        assert error.code in ("duplicate_parameter", "invalid_body")


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        (CHAT, f"{{{MESSAGES}}}", "model"),
        (CHAT, '{"model":"m"}', "messages"),
        (CHAT, "{}", "model"),
        (CHAT, '{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (
            CHAT,
            '{"model":"m","messages":[{"role":"user","content":"x"},{}]}',
            "messages[1].role",
        ),
        (COMPLETIONS, '{"model":"m"}', "prompt"),
        (EMBEDDINGS, '{"model":"m"}', "input"),
    ],
)
def test_what_is_missing_is_named(operation: Operation, body: str, param: str) -> None:
    error = refused(body, operation)
    assert error.message == f"Missing required parameter: '{param}'."
    assert (error.param, error.code) == (param, "missing_required_parameter")


@pytest.mark.parametrize(
    ("operation", "body", "param", "says"),
    [
        (CHAT, f'{{"model":"",{MESSAGES}}}', "model", "a string of length >= 1"),
        (CHAT, f'{{"model":null,{MESSAGES}}}', "model", "a string, got null"),
        (CHAT, f'{{"model":3,{MESSAGES}}}', "model", "a string, got an integer"),
        (CHAT, f'{{"model":["m"],{MESSAGES}}}', "model", "a string, got an array"),
        (CHAT, f'{{"model":"{"m" * 513}",{MESSAGES}}}', "model", "a string of length <= 512"),
        (CHAT, '{"model":"m","messages":[]}', "messages", "an array of length >= 1"),
        (CHAT, '{"model":"m","messages":{}}', "messages", "an array, got an object"),
        (CHAT, '{"model":"m","messages":"hi"}', "messages", "an array, got a string"),
        (CHAT, '{"model":"m","messages":null}', "messages", "an array, got null"),
        (CHAT, '{"model":"m","messages":["hi"]}', "messages[0]", "an object, got a string"),
        (
            CHAT,
            '{"model":"m","messages":[{"role":1}]}',
            "messages[0].role",
            "a string, got an integer",
        ),
        (
            CHAT,
            '{"model":"m","messages":[{"role":"user","content":3}]}',
            "messages[0].content",
            "a string or an array or null, got an integer",
        ),
        (
            CHAT,
            '{"model":"m","messages":[{"role":"user","content":["a"]}]}',
            "messages[0].content[0]",
            "an object, got a string",
        ),
        (COMPLETIONS, '{"model":"m","prompt":[]}', "prompt", "an array of length >= 1"),
        (COMPLETIONS, '{"model":"m","prompt":null}', "prompt", "got null"),
        (COMPLETIONS, '{"model":"m","prompt":[true]}', "prompt[0]", "got true or false"),
        (EMBEDDINGS, '{"model":"m","input":""}', "input", "a string of length >= 1"),
        (EMBEDDINGS, '{"model":"m","input":[]}', "input", "an array of length >= 1"),
        (EMBEDDINGS, '{"model":"m","input":"x","dimensions":0}', "dimensions", ">= 1"),
        (
            EMBEDDINGS,
            '{"model":"m","input":"x","encoding_format":3}',
            "encoding_format",
            "a string or null, got an integer",
        ),
    ],
)
def test_a_wrong_required_field_is_named_in_the_words_of_json(
    operation: Operation, body: str, param: str, says: str
) -> None:
    error = refused(body, operation)
    assert error.message.startswith(f"Invalid value for '{param}': expected ")
    assert says in error.message
    assert (error.param, error.code) == (param, "invalid_value")


@pytest.mark.parametrize(
    ("field", "param"),
    [
        *((f'"max_tokens":{value}', "max_tokens") for value in ("0", "-5", "1000000000000")),
        *((f'"max_tokens":{value}', "max_tokens") for value in ("1.5", "1e3", "true", '"5"', "[]")),
        ('"max_tokens":' + "9" * 400, "max_tokens"),
        ('"max_tokens":' + "9" * 5000, "max_tokens"),
        ('"max_completion_tokens":0', "max_completion_tokens"),
        *((f'"n":{value}', "n") for value in ("0", "-1", "129", "1.5", "true", '"2"')),
        *((f'"temperature":{value}', "temperature") for value in ("-1", '"hot"', "1e999", "[]")),
        *((f'"top_p":{value}', "top_p") for value in ("2", "-0.1", '"x"')),
        *((f'"stream":{value}', "stream") for value in ("1", '"true"', "[]")),
        ('"stream_options":[]', "stream_options"),
        ('"stream_options":{"include_usage":"yes"}', "stream_options.include_usage"),
        ('"seed":1.5', "seed"),
        ('"stop":3', "stop"),
        ('"stop":["a",3]', "stop[1]"),
        ('"presence_penalty":"x"', "presence_penalty"),
        ('"frequency_penalty":[]', "frequency_penalty"),
        ('"logit_bias":[]', "logit_bias"),
        ('"logit_bias":{"5":"x"}', "logit_bias[...]"),
        ('"user":3', "user"),
        ('"tools":{}', "tools"),
        ('"tools":["x"]', "tools[0]"),
        ('"tool_choice":3', "tool_choice"),
        ('"response_format":"json"', "response_format"),
        ('"logprobs":3', "logprobs"),
        ('"top_logprobs":-1', "top_logprobs"),
        ('"parallel_tool_calls":"no"', "parallel_tool_calls"),
    ],
    ids=lambda value: value[:40],
)
def test_a_wrong_optional_field_is_named(field: str, param: str) -> None:
    error = refused(chat(field))
    assert error.param == param
    assert error.code == "invalid_value"
    assert f"'{param}'" in error.message


def test_an_error_never_repeats_what_the_caller_wrote() -> None:
    secret = "my-secret-prompt"
    for body in (
        f'{{"model":"m","messages":"{secret}"}}',
        f'{{"model":"m","messages":[{{"role":"user","content":{{"{secret}":1}}}}]}}',
        f'{{"model":"m","{secret}":tru}}',
        f'{{"model":"m",{MESSAGES},"logit_bias":{{"{secret}":"x"}}}}',
        f'{{"model":"m",{MESSAGES},"temperature":"{secret}"}}',
    ):
        assert secret not in refused(body).message
