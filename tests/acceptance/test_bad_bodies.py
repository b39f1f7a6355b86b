"""Bodies that are wrong: each is refused at once, in words, and costs neither slot nor runner."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.raw_http import CHAT, ask, chat_body, connection, post, request
from tests.acceptance.refusal import AT_ONCE_S, error_of
from tests.acceptance.stand import Stand, stand

pytestmark = pytest.mark.anyio

DEEP = 200_000
NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n",
    "an open brace": b"{",
    "a cut string": b'{"model": "demo", "messages": [{"role": "us',
    "a cut body": json.dumps(chat_body()).encode()[:-1],
    "something after the end": json.dumps(chat_body()).encode() + b"}",
    "two bodies": json.dumps(chat_body()).encode() * 2,
    "words": b"model=demo&messages=hi",
    "XML": b"<?xml version='1.0'?><chat/>",
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(chat_body()).encode(),
    "UTF-16": json.dumps(chat_body()).encode("utf-16"),
    "Latin-1": '{"model": "demo", "messages": [{"role": "user", "content": "é"}]}'.encode(
        "latin-1"
    ),
    "a lone continuation byte": b'{"model": "demo", "messages": [], "x": "\x80"}',
    "a control character in a string": b'{"model": "de\x01mo", "messages": []}',
    "not a number": b'{"model": "demo", "messages": [{"role": "u"}], "temperature": NaN}',
    "infinity": b'{"model": "demo", "messages": [{"role": "u"}], "x": Infinity}',
    "single quotes": b"{'model': 'demo'}",
    "a trailing comma": b'{"model": "demo", "messages": [{"role": "u"}],}',
    "a wrong escape": rb'{"model": "demo\x"}',
    "arrays without end": b"[" * DEEP,
    "objects without end": b'{"a":' * DEEP,
    "a message nested without end": b'{"model": "demo", "messages": [{"x": ' + b"[" * DEEP,
    "deep nesting in a field that is passed through": b'{"model": "demo", "messages": '
    b'[{"role": "user", "content": "Hi"}], "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
}
NO_OBJECT = {"an array": b"[]", "null": b"null", "a string": b'"demo"', "a number": b"1"}
AMBIGUOUS: dict[str, tuple[bytes, str]] = {
    "two models": (b'{"model": "demo", "messages": [{"role": "user"}], "model": "x"}', "model"),
    "the same model twice": (b'{"model":"demo","model":"demo","messages":[{"role":"u"}]}', "model"),
    "two streams": (
        b'{"model":"demo","stream":true,"messages":[{"role":"u"}],"stream":false}',
        "stream",
    ),
    "an escaped name": (rb'{"model":"demo","messages":[{"role":"u"}],"\u006dodel":"x"}', "model"),
    "two limits": (
        b'{"max_tokens":1,"model":"demo","messages":[{"role":"u"}],"max_tokens":9}',
        "max_tokens",
    ),
}
WRONG_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "model a number": ({"model": 1}, "model"),
    "model null": ({"model": None}, "model"),
    "model a list": ({"model": ["demo"]}, "model"),
    "model empty": ({"model": ""}, "model"),
    "model too long": ({"model": "m" * 10_000}, "model"),
    "messages a string": ({"messages": "Hi"}, "messages"),
    "messages an object": ({"messages": {"role": "user"}}, "messages"),
    "messages null": ({"messages": None}, "messages"),
    "messages empty": ({"messages": []}, "messages"),
    "a message that is a string": ({"messages": ["Hi"]}, "messages[0]"),
    "a message without a role": ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
    "a role that is a number": ({"messages": [{"role": 1}]}, "messages[0].role"),
    "content that is a number": (
        {"messages": [{"role": "user", "content": 1}]},
        "messages[0].content",
    ),
    "content parts that are strings": (
        {"messages": [{"role": "user", "content": ["Hi"]}]},
        "messages[0].content[0]",
    ),
    "stream a string": ({"stream": "yes"}, "stream"),
    "stream a number": ({"stream": 1}, "stream"),
    "stream_options a string": ({"stream": True, "stream_options": "usage"}, "stream_options"),
    "include_usage a string": (
        {"stream": True, "stream_options": {"include_usage": "yes"}},
        "stream_options.include_usage",
    ),
    "max_tokens a string": ({"max_tokens": "ten"}, "max_tokens"),
    "max_tokens a fraction": ({"max_tokens": 1.5}, "max_tokens"),
    "max_tokens zero": ({"max_tokens": 0}, "max_tokens"),
    "max_tokens negative": ({"max_tokens": -5}, "max_tokens"),
    "max_tokens absurd": ({"max_tokens": 10**18}, "max_tokens"),
    "max_tokens beyond any integer": ({"max_tokens": 10**400}, "max_tokens"),
    "max_completion_tokens zero": ({"max_completion_tokens": 0}, "max_completion_tokens"),
    "n zero": ({"n": 0}, "n"),
    "n absurd": ({"n": 10**6}, "n"),
    "temperature a string": ({"temperature": "hot"}, "temperature"),
    "temperature negative": ({"temperature": -1}, "temperature"),
    "top_p above one": ({"top_p": 2}, "top_p"),
    "seed a string": ({"seed": "x"}, "seed"),
    "stop a number": ({"stop": 5}, "stop"),
    "stop a list of numbers": ({"stop": [5]}, "stop[0]"),
    "logit_bias a list": ({"logit_bias": [1]}, "logit_bias"),
    "tools a string": ({"tools": "search"}, "tools"),
    "tool_choice a number": ({"tool_choice": 3}, "tool_choice"),
    "response_format a string": ({"response_format": "json"}, "response_format"),
    "user a number": ({"user": 7}, "user"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with stand(tmp_path_factory.mktemp("gateway"), max_body_mb=1) as built:
        yield built


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_a_body_that_is_no_json_is_refused(
    on: Stand, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        answer = await post(on.port, body)
    error = error_of(answer, 400)
    assert error["code"] == "invalid_body"
    assert answer.took_s < AT_ONCE_S


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT)
async def test_json_that_is_no_object_is_refused_with_an_example(
    on: Stand, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        error = error_of(await post(on.port, body), 400)
    assert '"messages": [{"role": "user"' in error["message"]


@pytest.mark.parametrize(("body", "param"), AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_body_that_means_two_things_is_refused(
    on: Stand, body: bytes, param: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        error = error_of(await post(on.port, body), 400)
    assert (error["code"], error["param"]) == ("duplicate_parameter", param)


@pytest.mark.parametrize(("fields", "param"), WRONG_FIELDS.values(), ids=WRONG_FIELDS)
async def test_a_field_of_the_wrong_kind_is_named(
    on: Stand, fields: dict[str, Any], param: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        answer = await post(on.port, chat_body(**fields))
    error = error_of(answer, 400)
    assert error["param"] == param
    assert f"'{param}'" in error["message"]
    assert answer.took_s < AT_ONCE_S


@pytest.mark.parametrize("name", ["model", "messages"])
async def test_a_field_that_is_missing_is_named(
    on: Stand, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = chat_body()
    del body[name]
    with on.untouched(caplog):
        error = error_of(await post(on.port, body), 400)
    assert (error["code"], error["param"]) == ("missing_required_parameter", name)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/completions", {"model": "demo"}, "prompt"),
        ("/v1/completions", {"model": "demo", "prompt": []}, "prompt"),
        ("/v1/completions", {"model": "demo", "prompt": {"text": "Hi"}}, "prompt"),
        ("/v1/embeddings", {"model": "demo"}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": ""}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": []}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": 3}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": "Hi", "dimensions": 0}, "dimensions"),
    ],
)
async def test_the_other_endpoints_check_their_own_fields(
    on: Stand, path: str, body: dict[str, Any], param: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        error = error_of(await post(on.port, body, path=path), 400)
    assert error["param"] == param


@pytest.mark.parametrize(
    "name", ["demi", "DEMO", "demo ", "demo\r\nx-evil: 1", "demo\x00", "../demo", "デモ", "%s%n{0}"]
)
async def test_an_unknown_model_is_404_and_stays_out_of_the_headers(
    on: Stand, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        answer = await post(on.port, chat_body(name))
    error = error_of_unknown(answer)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "'demo'" in error["message"]
    assert "x-evil" not in answer.headers


def error_of_unknown(answer: Any) -> dict[str, Any]:
    """A 404; its message may hold a name with line breaks, which JSON escapes."""
    assert answer.status == 404
    assert b"\r" not in answer.body
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_a_body_that_says_it_is_too_large_is_refused_unread(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        head = request("POST", CHAT, headers={"content-length": str(5 << 20)})
        answer = await ask(on.port, head)
    error = error_of(answer, 413)
    assert "1 MB" in error["message"]
    assert answer.headers["connection"] == "close"
    assert answer.took_s < AT_ONCE_S


async def test_a_body_that_turns_out_too_large_is_refused_while_it_still_comes(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(request("POST", CHAT, headers={"transfer-encoding": "chunked"}))
            piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            for _ in range(17):
                await wire.write(piece)
            error_of(await wire.answer(), 413)


async def test_a_small_body_that_unpacks_to_too_much_is_refused(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    with on.untouched(caplog):
        answer = await post(on.port, bomb, content_encoding="gzip")
    error_of(answer, 413)
    assert answer.took_s < AT_ONCE_S


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(json.dumps(chat_body()).encode())[:-5], 400),
        ("zstd", b"not zstd", 400),
        ("br", b"whatever", 415),
        ("gzip, gzip", gzip.compress(b"{}"), 415),
        ("x" * 500, b"{}", 415),
    ],
)
async def test_a_body_in_a_wrong_coding_is_refused(
    on: Stand, encoding: str, body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        error_of(await post(on.port, body, content_encoding=encoding), status)


async def test_after_all_that_a_sound_request_is_served(on: Stand) -> None:
    answer = await post(
        on.port, gzip.compress(json.dumps(chat_body()).encode()), content_encoding="gzip"
    )
    assert answer.status == 200
    assert answer.json["choices"][0]["finish_reason"] == "length"
