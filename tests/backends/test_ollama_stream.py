from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import Usage
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama_native.stream import LINE_LIMIT_BYTES
from tests.backends.ollama_lines import ADD, RUNNER, deltas, end, events, line, ndjson, stream

TEXT = ndjson(line(content="Hel"), line(content="lo"), end())


def test_text_becomes_chunks_with_a_role_first_and_a_reason_last() -> None:
    reader = stream()
    chunks = events(reader.feed(TEXT) + reader.finish())
    assert deltas(chunks) == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [
        None,
        None,
        None,
        "stop",
    ]
    assert chunks[-1] == "[DONE]"
    assert {(c["id"], c["object"], c["created"], c["model"]) for c in chunks[:-1]} == {
        ("chatcmpl-1f", "chat.completion.chunk", 1795176000, "public")
    }
    assert reader.failed is None


def test_usage_is_sent_exactly_when_asked_for_and_known_always() -> None:
    asked, unasked = stream(include_usage=True), stream()
    *_, last, done = events(asked.feed(TEXT))
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    assert b"usage" not in unasked.feed(TEXT)
    assert asked.usage == unasked.usage == Usage(11, 3)


def test_the_first_generated_piece_is_noticed() -> None:
    reader = stream()
    reader.feed(ndjson(line()))
    assert (reader.started, reader.chunks) == (False, 0)
    reader.feed(ndjson(line(thinking="hm")))
    assert (reader.started, reader.chunks) == (True, 1)
    reader.feed(ndjson(line(content="a")))
    assert reader.chunks == 2


def test_thinking_goes_by_both_names_and_before_the_text_of_its_line() -> None:
    chunks = events(stream().feed(ndjson(line(thinking="hm", content="4"), end())))
    assert deltas(chunks)[1:3] == [
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"content": "4"},
    ]


def test_tool_calls_get_an_index_and_an_id_each_and_end_the_stream_as_such() -> None:
    named = ADD | {"id": "call_7"}
    reader = stream()
    chunks = events(reader.feed(ndjson(line(tool_calls=[named, ADD]), line(tool_calls=[named]))))
    calls = [call for delta in deltas(chunks) for call in delta.get("tool_calls", [])]
    assert [call["index"] for call in calls] == [0, 1, 2]
    assert calls[0]["id"] == "call_7"
    assert len({call["id"] for call in calls}) == 3
    assert all(call["type"] == "function" for call in calls)
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"a": 1, "b": 2}] * 3
    (last, done) = events(reader.feed(ndjson(end())))
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    assert done == "[DONE]"


def test_a_call_in_the_last_line_counts_as_a_call() -> None:
    chunks = events(stream().feed(ndjson(end(tool_calls=[ADD]))))
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "openai"), [("stop", "stop"), ("length", "length"), (None, "stop"), ("x", "stop")]
)
def test_reasons_are_openais(reason: str | None, openai: str) -> None:
    chunks = events(stream().feed(ndjson(line(content="a"), end(reason))))
    assert chunks[-2]["choices"][0]["finish_reason"] == openai


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_the_notice_of_a_load_is_no_answer(reason: str) -> None:
    with pytest.raises(ReplyInvalid, match=f"notice of a model {reason}"):
        stream().feed(ndjson(end(reason)))


def test_logprobs_are_written_in_openais_shape() -> None:
    token = {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.5}]}
    chunks = events(stream().feed(ndjson(line(content="é", logprobs=[token]), end())))
    assert chunks[1]["choices"][0]["logprobs"] == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}],
            }
        ],
        "refusal": None,
    }


def test_an_error_in_the_first_line_is_raised_so_that_the_caller_gets_a_status() -> None:
    with pytest.raises(RunnerRefused) as refused:
        stream().feed(b'{"error":"model runner has unexpectedly stopped"}\n')
    assert refused.value.status == 502


def test_an_error_line_after_text_ends_the_stream_with_an_error_event() -> None:
    reader = stream()
    stopped = {"error": "model runner has unexpectedly stopped"}
    *_, last = events(reader.feed(ndjson(line(content="a"), stopped, line(content="b"))))
    assert "unexpectedly stopped" in last["error"]["message"]
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert reader.failed is not None
    assert reader.finish() == b""


def test_an_error_of_the_inner_server_is_unwrapped() -> None:
    child = {"code": 400, "type": "exceed_context_size_error"}
    child["message"] = "request (9 tokens) exceeds the available context size (4 tokens)"
    with pytest.raises(RunnerRefused) as refused:
        stream().feed(ndjson({"error": json.dumps({"error": child})}))
    assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")


def test_a_stream_cut_short_ends_with_an_error_event() -> None:
    reader = stream()
    reader.feed(ndjson(line(content="a")))
    (last,) = events(reader.finish())
    assert "before the answer was complete" in last["error"]["message"]
    assert reader.failed == last["error"]["message"]


def test_a_last_line_without_its_line_end_is_read() -> None:
    reader = stream()
    sent = reader.feed(TEXT.rstrip(b"\n"))
    assert events(sent + reader.finish())[-1] == "[DONE]"
    assert reader.failed is None


def test_half_a_line_at_the_end_is_an_error() -> None:
    reader = stream()
    reader.feed(TEXT[:-20])
    assert "error" in events(reader.finish())[-1]


@pytest.mark.parametrize("sent", [b"", b"\n\n"])
def test_an_empty_answer_is_none(sent: bytes) -> None:
    reader = stream()
    reader.feed(sent)
    with pytest.raises(ReplyInvalid, match="without any answer"):
        reader.finish()


@pytest.mark.parametrize("sent", [b"<html>\n", b"[1]\n", b'{"message":3}\n', b'{"x":"\xff"}\n'])
def test_what_is_no_line_of_ollamas_is_refused_without_being_quoted(sent: bytes) -> None:
    reader = stream()
    with pytest.raises(ReplyInvalid) as refused:
        reader.feed(sent + ndjson(line(done=True, message="secret")))
    assert RUNNER in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_broken_line_after_text_becomes_an_error_event() -> None:
    reader = stream()
    assert "error" in events(reader.feed(ndjson(line(content="a")) + b"oops\n"))[-1]


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    reader = stream()
    reader.feed(ndjson(line(content="a")))
    reader.feed(b"x" * LINE_LIMIT_BYTES)
    (last,) = events(reader.feed(b"x"))
    assert "line of over" in last["error"]["message"]
    assert reader.feed(b"x") == b""


def test_an_abort_ends_the_stream_with_its_reason_once() -> None:
    reader = stream()
    reader.feed(ndjson(line(content="a")))
    (last,) = events(reader.abort("no byte for 60 s"))
    assert last["error"]["message"] == reader.failed == "no byte for 60 s"
    assert reader.abort("again") == b""


def test_an_abort_before_anything_came_is_an_event_as_well() -> None:
    assert "error" in events(stream().abort("gone"))[0]


def test_nothing_follows_the_end() -> None:
    reader = stream()
    reader.feed(TEXT)
    assert reader.feed(ndjson(line(content="late"))) == b""
    assert reader.finish() == b""
    assert reader.abort("late") == b""
    assert reader.failed is None


LINE = st.one_of(
    st.builds(lambda text: line(content=text), st.text(max_size=5)),
    st.builds(lambda text: line(thinking=text), st.text(max_size=5)),
    st.just(line(tool_calls=[ADD | {"id": "call_1"}])),
    st.builds(lambda reason: end(reason), st.sampled_from(["stop", "length"])),
    st.just({"error": "model runner has unexpectedly stopped"}),
    st.just({"message": 1}),
)


@settings(deadline=None)
@given(st.lists(LINE, max_size=6), st.lists(st.integers(0, 2000), max_size=8), st.booleans())
def test_every_split_of_the_stream_gives_the_same_output(
    lines: list[dict[str, object]], cuts: list[int], ended: bool
) -> None:
    data = ndjson(*lines)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert _read([data], ended) == _read(pieces, ended)


def test_a_cut_at_any_byte_changes_nothing() -> None:
    data = ndjson(line(thinking="é", content="😀"), line(content="\n"), end())
    whole = _read([data], True)
    for at in range(len(data)):
        assert _read([data[:at], data[at:]], True) == whole


def _read(pieces: list[bytes], ended: bool) -> tuple[object, ...]:
    """Everything a reader shows of itself; generated ids aside."""
    reader = stream(include_usage=True)
    sent, raised = b"", ""
    try:
        for piece in pieces:
            sent += reader.feed(piece)
        if ended:
            sent += reader.finish()
    except (ReplyInvalid, RunnerRefused) as error:
        raised = repr(error)
    shown = events(sent)
    for delta in deltas(shown):
        for called in delta.get("tool_calls", []):
            called["id"] = called["id"][:5]
    return shown, raised, reader.usage, reader.started, reader.failed, reader.chunks
