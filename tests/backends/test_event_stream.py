from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import Operation, Usage
from backends.errors import ReplyInvalid, RunnerRefused
from backends.event_stream import CARRY_LIMIT
from tests.backends.openai_replies import (
    DONE,
    ROLE,
    RUNNER,
    STOP,
    chunk,
    deltas,
    events,
    reader,
    replay_reader,
    sse,
    usage_chunk,
)
from tests.fakes.recording import RUNNERS, Recording, recordings

STREAMS = [
    pytest.param(recording, id=f"{kind}-{recording.case}")
    for kind in RUNNERS
    for recording in recordings(kind).values()
    if recording.streamed and recording.answer
]
HELLO = chunk({"content": "Hello"})
ERROR = {"error": {"message": "out of memory", "type": "x", "code": 500}}


def test_an_ordinary_chunk_passes_byte_for_byte_but_for_the_model_name() -> None:
    stream = reader()
    stream.feed(sse(ROLE, HELLO))
    odd = b'{"model":"tiny","x":1.10, "choices":[{"index":0,"delta":{"content":"\\u00e9"}}]}'
    passed = stream.feed(b"data: " + odd + b"\n\n")
    assert passed == b"data: " + odd.replace(b'"tiny"', b'"public"') + b"\n\n"


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recorded_stream_becomes_what_a_client_of_openai_expects(recording: Recording) -> None:
    stream = replay_reader(recording)
    *chunks, done = events(stream.feed(recording.answer) + stream.finish())
    assert done == "[DONE]"
    assert stream.failed is None
    assert stream.started
    assert stream.usage is not None
    assert {each["model"] for each in chunks} == {"public"}
    asked = recording.call().include_usage
    told = [each for each in chunks if each.get("usage") and not each["choices"]]
    assert told == chunks[len(chunks) - asked :]
    if recording.path.endswith("/chat/completions"):
        assert deltas(chunks)[0]["role"] == "assistant"


@pytest.mark.parametrize("recording", STREAMS)
@given(data=st.data())
def test_it_does_not_matter_how_the_network_cuts_a_stream(
    recording: Recording, data: st.DataObject
) -> None:
    answer = recording.answer
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=40).map(sorted))
    whole, cut = replay_reader(recording), replay_reader(recording)
    expected = whole.feed(answer) + whole.finish()
    pieces = [answer[start:end] for start, end in pairwise([0, *cuts, len(answer)])]
    assert b"".join([cut.feed(piece) for piece in pieces] + [cut.finish()]) == expected
    assert (cut.usage, cut.chunks, cut.started) == (whole.usage, whole.chunks, whole.started)


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
@given(size=st.integers(1, 50))
def test_other_line_ends_come_to_the_same(line_end: bytes, size: int) -> None:
    plain, other = reader(), reader()
    text = sse(ROLE, HELLO, STOP, DONE)
    answer = text.replace(b"\n", line_end)
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    assert b"".join(map(other.feed, pieces)) + other.finish() == plain.feed(text)


def test_comments_and_fields_for_browsers_and_a_byte_order_mark_are_dropped() -> None:
    stream = reader()
    noise = b": ping\n\nid: 7\nretry: 3000\nevent: message\n"
    out = stream.feed(
        b"\xef\xbb\xbf" + sse(ROLE) + b": keep-alive\n\n" + noise + sse(HELLO, STOP, DONE)
    )
    assert deltas(events(out)[:-1]) == [ROLE["choices"][0]["delta"], {"content": "Hello"}, {}]


def test_data_over_several_lines_is_one_event() -> None:
    stream = reader()
    out = stream.feed(
        b'data: {"model": "tiny",\ndata:"choices": [{"index": 0,\ndata: "delta": {}}]}\n\n'
    )
    assert deltas(events(out)) == [{"role": "assistant"}]


def test_a_missing_role_is_added_for_every_choice() -> None:
    stream = reader(n=2)
    first, second = chunk({"content": "a"}), chunk({"content": "b"}, index=1)
    found = deltas(events(stream.feed(sse(first, second, first, second))))
    roles = [delta.get("role") for delta in found]
    assert roles == ["assistant", "assistant", None, None]


def test_text_completion_chunks_get_no_role() -> None:
    stream = reader(Operation.COMPLETIONS, prompt="x")
    text = {"model": "tiny", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}
    out = events(stream.feed(sse(text)) + stream.finish())
    assert out == [text | {"model": "public"}, "[DONE]"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("gap", [",", ", "])
def test_thinking_text_goes_by_both_names(name: str, gap: str) -> None:
    stream = reader()
    stream.feed(sse(ROLE))
    assert not stream.started
    thinking = sse(chunk({name: 'so "hm"\n'})).replace(b":", b":" + gap[1:].encode())
    (found,) = deltas(events(stream.feed(thinking)))
    assert found == {"reasoning": 'so "hm"\n', "reasoning_content": 'so "hm"\n'}
    assert stream.started


def test_thinking_under_both_names_passes_if_they_agree() -> None:
    stream = reader()
    agreeing = sse(chunk({"reasoning": "hm", "reasoning_content": "hm"}))
    differing = sse(chunk({"reasoning": "hm", "reasoning_content": None}))
    stream.feed(sse(ROLE))
    for each in (agreeing, differing):
        (found,) = deltas(events(stream.feed(each)))
        assert found == {"reasoning": "hm", "reasoning_content": "hm"}


def test_a_model_name_that_is_written_with_escapes_is_replaced_all_the_same() -> None:
    stream = reader()
    for each in (ROLE, HELLO, HELLO | {"model": None}, HELLO | {"model": "other"}, HELLO):
        escaped = sse(each).replace(b'"tiny"', b'"t\\u0069ny"')
        assert [found["model"] for found in events(stream.feed(escaped))] == ["public"]


def test_empty_thinking_is_not_taken_for_an_answer() -> None:
    stream = reader()
    stream.feed(
        sse(ROLE, chunk({"content": "", "reasoning_content": None}), chunk({"reasoning": ""}))
    )
    assert not stream.started
    stream.feed(sse(chunk({"tool_calls": [{"index": 0}]})))
    assert stream.started


@pytest.mark.parametrize(
    ("told", "expected"),
    [("eos_token", "stop"), ("stop_sequence", "stop"), ("repetition", "length"), ("stop", "stop")],
)
def test_finish_reasons_are_those_of_openai(told: str, expected: str) -> None:
    stream = reader()
    *_, last, _ = events(stream.feed(sse(ROLE, chunk(finish=told), DONE)))
    assert last["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize("told", ["abort", "error"])
def test_an_answer_that_the_runner_gave_up_is_a_failure(told: str) -> None:
    stream = reader()
    *_, last = events(stream.feed(sse(ROLE, HELLO, chunk(finish=told), DONE)))
    assert last["error"]["code"] == "upstream_error"
    assert stream.failed == f"{RUNNER} gave the answer up (finish_reason '{told}')"


def test_usage_is_read_always_and_sent_exactly_when_asked_for() -> None:
    tokens = usage_chunk(prompt_tokens=17, completion_tokens=6, total_tokens=23)
    text = sse(ROLE, HELLO, STOP, tokens, DONE)
    asked, unasked = reader(include_usage=True), reader()
    assert events(asked.feed(text))[-2] == tokens | {"model": "public"}
    assert b"usage" not in unasked.feed(text)
    assert asked.usage == unasked.usage == Usage(17, 6)


def test_usage_beside_a_choice_moves_to_a_chunk_of_its_own() -> None:
    stream = reader(include_usage=True)
    tokens = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    *_, stop, last, _ = events(stream.feed(sse(ROLE, STOP | {"usage": tokens}, DONE)))
    assert "usage" not in stop
    assert (last["choices"], last["usage"]) == ([], tokens)
    assert last["id"] == "chatcmpl-1"


def test_continuous_usage_stays_where_it_was_asked_for() -> None:
    stream = reader(include_usage=True, stream_options={"continuous_usage_stats": True})
    (found,) = events(stream.feed(sse(ROLE | {"usage": {"prompt_tokens": 3}})))
    assert found["usage"] == {"prompt_tokens": 3}


def test_usage_is_estimated_where_the_runner_tells_none() -> None:
    stream = reader(include_usage=True)
    *_, last, _ = events(stream.feed(sse(ROLE, HELLO, HELLO, HELLO, STOP, DONE)))
    assert last["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    assert stream.usage == Usage(2, 3, estimated=True)


def test_usage_told_for_each_choice_is_added_up() -> None:
    stream = replay_reader(recordings("llamacpp")["chat_stream_n2_usage"], usage_per_choice=True)
    recording = recordings("llamacpp")["chat_stream_n2_usage"]
    found = events(stream.feed(recording.answer))
    told = [each["usage"] for each in found[:-1] if "usage" in each]
    assert [each["completion_tokens"] for each in told] == [6]
    assert told[0]["total_tokens"] == told[0]["prompt_tokens"] + 6


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b": ping\n\n",
        DONE,
        sse({"hello": "world"}),
        b"data: {truncated\n\n",
        b"data: [1]\n\n",
        b"data: 7\n\n",
        sse(usage_chunk(prompt_tokens=1), DONE),
        sse({"choices": ["text"]}),
    ],
)
def test_a_stream_that_never_was_an_answer_can_still_get_a_status(answer: bytes) -> None:
    stream = reader()
    with pytest.raises(ReplyInvalid, match="runner gpu-a"):
        stream.finish() if not stream.feed(answer) else None


def test_an_error_as_the_first_event_can_still_get_a_status() -> None:
    stream = reader()
    with pytest.raises(RunnerRefused, match="out of memory") as raised:
        stream.feed(sse(ERROR))
    assert raised.value.status == 502


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (sse(ERROR, DONE), "out of memory"),
        (sse({"error": "out of memory"}), "out of memory"),
        (b"event: error\n" + sse({"code": 500, "message": "out of memory"}), "out of memory"),
        (DONE, "before the answer was complete"),
        (b"", "before the answer was complete"),
        (b"data: {trunc\n\n", "not JSON"),
        (b"data: {trunc", "not JSON"),
        (b"proxy error: Failed to read connection", "before the answer was complete"),
        (sse({"object": "pong"}), "no completion chunk"),
    ],
)
def test_a_stream_that_breaks_off_ends_in_an_error_event(ending: bytes, message: str) -> None:
    stream = reader()
    out = stream.feed(sse(ROLE, HELLO) + ending) + stream.finish()
    *_, last = events(out)
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert message in last["error"]["message"]
    assert stream.failed == last["error"]["message"]
    assert b"[DONE]" not in out
    assert stream.feed(sse(HELLO)) == stream.finish() == stream.abort("late") == b""


def test_every_choice_that_began_has_to_finish() -> None:
    stream = reader(n=2)
    *_, last = events(stream.feed(sse(ROLE, chunk({"content": "b"}, index=1), STOP, DONE)))
    assert "before the answer was complete" in last["error"]["message"]


def test_a_complete_stream_without_done_gets_it() -> None:
    stream = reader()
    assert (stream.feed(sse(ROLE, STOP)) + stream.finish()).endswith(DONE)
    assert stream.failed is None


def test_the_last_event_may_lack_its_blank_line() -> None:
    stream = reader()
    assert (stream.feed(sse(ROLE, STOP, DONE)[:-2]) + stream.finish()).endswith(sse(DONE))


def test_an_aborted_stream_ends_in_an_error_event_without_what_was_incomplete() -> None:
    stream = reader()
    stream.feed(sse(ROLE) + b'data: {"half')
    (last,) = events(stream.abort("the runner closed the connection"))
    assert last["error"]["message"] == stream.failed == "the runner closed the connection"
    assert stream.finish() == b""


def test_what_follows_the_end_is_dropped() -> None:
    stream = reader()
    stream.feed(sse(ROLE, STOP, DONE))
    assert stream.feed(sse(HELLO, ERROR)) == stream.abort("late") == stream.finish() == b""
    assert stream.failed is None


def test_an_endless_event_is_a_failure_and_not_a_leak() -> None:
    stream = reader()
    stream.feed(sse(ROLE))
    piece = b"data: " + b"x" * (CARRY_LIMIT // 4)
    out = b"".join(stream.feed(piece) for _ in range(5))
    (last,) = events(out)
    assert "more than 1048576 bytes" in last["error"]["message"]
