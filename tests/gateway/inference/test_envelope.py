"""What is read from a request body, and what stays untouched."""

from __future__ import annotations

import pytest

from gateway.inference.envelope import read_call
from tests.gateway.inference.envelopes import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MESSAGES,
    chat,
    refused,
    untouched,
)

# What is read


def test_a_plain_chat_request_is_read() -> None:
    call = read_call(CHAT, chat())
    assert (call.operation, call.model) == (CHAT, "llama3")
    assert (call.stream, call.include_usage, call.choices) == (False, False, 1)


def test_stream_usage_and_choices_are_read() -> None:
    call = read_call(CHAT, chat('"stream":true,"stream_options":{"include_usage":true},"n":3'))
    assert (call.stream, call.include_usage, call.choices) == (True, True, 3)


@pytest.mark.parametrize(
    "more",
    [
        '"stream":null',
        '"stream_options":null',
        '"stream_options":{}',
        '"stream_options":{"include_usage":null,"continuous_usage_stats":true}',
        '"n":null',
        '"max_tokens":null,"temperature":null,"top_p":null,"seed":null,"stop":null',
        '"tools":null,"tool_choice":null,"response_format":null,"logit_bias":null,"user":null',
    ],
)
def test_null_means_the_default(more: str) -> None:
    call = read_call(CHAT, chat(more))
    assert (call.stream, call.include_usage, call.choices) == (False, False, 1)


@pytest.mark.parametrize(
    "message",
    [
        '{"role":"assistant","content":null,"tool_calls":[]}',
        '{"role":"assistant"}',
        '{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url"}]}',
        '{"role":"made up","content":"","name":"x"}',
    ],
)
def test_messages_may_have_every_shape_that_clients_send(message: str) -> None:
    body = f'{{"model":"m","messages":[{message}]}}'.encode()
    assert untouched(read_call(CHAT, body))["messages"] == f"[{message}]".encode()


@pytest.mark.parametrize(
    "prompt", ['"Hello"', '""', "[1,2,3]", '["a","b"]', "[[1],[2]]", '["a",1]']
)
def test_prompts_may_be_texts_or_tokens(prompt: str) -> None:
    call = read_call(COMPLETIONS, f'{{"model":"m","prompt":{prompt}}}'.encode())
    assert untouched(call)["prompt"] == prompt.encode()


@pytest.mark.parametrize(
    "value", ['"Hello"', "[1,2,3]", '["a","b"]', "[[1],[2]]", '[{"text":"a"}]']
)
def test_inputs_may_be_texts_tokens_or_parts(value: str) -> None:
    call = read_call(EMBEDDINGS, f'{{"model":"m","input":{value}}}'.encode())
    assert untouched(call)["input"] == value.encode()
    assert not call.stream


def test_a_completion_of_no_tokens_is_allowed_because_it_scores_the_prompt() -> None:
    call = read_call(COMPLETIONS, b'{"model":"m","prompt":"x","max_tokens":0,"echo":true}')
    assert untouched(call)["max_tokens"] == b"0"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_minus_one_means_no_limit_and_is_left_out(name: str) -> None:
    assert name not in read_call(CHAT, chat(f'"{name}":-1')).fields


# What stays untouched


def test_every_field_keeps_its_bytes_and_its_place() -> None:
    fields = {
        "zeta": "123456789012345678901234567890",
        "temperature": "1.50",
        "model": '"caf\\u00e9"',
        "alpha": '{"b" : [1, 2 ,3],"a":"\\ud83d\\ude00 \\/ \\t"}',
        "messages": '[ {"role":"user", "content":"\\u0041 Ä 漢字"} ]',
        "": "-0.0e-7",
        "seed": "99999999999999999999",
    }
    body = "{" + ", ".join(f'"{name}" : {text}' for name, text in fields.items()) + "}\n"
    call = read_call(CHAT, body.encode())
    assert list(call.fields) == list(fields)
    assert untouched(call) == {name: text.encode() for name, text in fields.items()}
    assert call.model == "café"


# Keys that are given twice


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ('"model":"other"', "model"),
        ('"model":"llama3"', "model"),
        ('"mod\\u0065l":"other"', "model"),
        ('"\\u006D\\u006f\\u0064\\u0065\\u006c":"other"', "model"),
        ('"stream":true,"stream":false', "stream"),
        ('"stream":true,"\\u0073tream":false', "stream"),
        ('"max_tokens":1,"max_tokens":2', "max_tokens"),
        ('"max_tokens":1,"max\\u005ftokens":2', "max_tokens"),
        ('"max_completion_tokens":1,"max_completion_tokens":2', "max_completion_tokens"),
        ('"tools":[{"model":1}],"model":"other"', "model"),
        ('"big":' + "1" * 5000 + ',"model":"other"', "model"),
    ],
    ids=lambda value: value[:40],
)
def test_a_routed_key_given_twice_is_refused(more: str, param: str) -> None:
    error = refused(chat(more))
    assert error.message == f"'{param}' is given more than once; it must be unambiguous."
    assert (error.param, error.code) == (param, "duplicate_parameter")


@pytest.mark.parametrize(
    "more",
    [
        '"tools":[{"model":"a","stream":1,"max_tokens":2},{"model":"b"}]',
        '"metadata":{"model":"a","model":"b"}',
        '"user":"model"',
        '"user":"say \\"model\\" and \\"model\\""',
        '"stop":["model","model","stream","stream"]',
        '"x":"\\u0041\\u006dodel","y":"\\\\u0065"',
        '"x":{"mod\\u0065l":1}',
        '"x":1,"x":{"model":"in a value that is dropped"}',
        '"x":{"model":1},"x":2',
        '"big":' + "1" * 5000 + ',"x":{"model":1}',
    ],
    ids=lambda value: value[:40],
)
def test_a_routed_word_elsewhere_is_no_repetition(more: str) -> None:
    assert read_call(CHAT, chat(more)).model == "llama3"


def test_a_key_with_escaped_letters_is_read_as_what_it_means() -> None:
    call = read_call(CHAT, b'{"mod\\u0065l":"llama3",%s}' % MESSAGES.encode())
    assert call.model == "llama3"
    assert list(call.fields) == ["model", "messages"]
