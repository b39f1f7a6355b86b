from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backends.base import Usage
from backends.bulk_reply import WINDOW, BulkReplyReader

VECTORS = [{"embedding": [0.25] * 3000, "index": index} for index in range(3)]
USAGE = {"prompt_tokens": 9, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
FIRST = {"model": "tiny", "usage": USAGE, "data": VECTORS}
LAST = {"data": VECTORS, "model": "tiny", "usage": USAGE}


@given(
    st.sampled_from([FIRST, LAST]),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.lists(st.integers(0, 40_000), max_size=8).map(sorted),
)
def test_the_model_name_and_usage_are_found_however_the_body_is_cut(
    document: dict[str, object], separators: tuple[str, str], cuts: list[int]
) -> None:
    body = json.dumps(document, separators=separators).encode()
    reader = BulkReplyReader("public")
    pieces = [body[start:end] for start, end in pairwise([0, *cuts, len(body)]) if start < end]
    out = b"".join([reader.feed(piece) for piece in pieces] + [reader.finish()])
    assert json.loads(out) == document | {"model": "public"}
    assert reader.usage == Usage(9, 0, 4)


def test_only_a_window_is_held_back() -> None:
    reader = BulkReplyReader("public")
    body = json.dumps(LAST).encode()
    assert len(reader.feed(body)) >= len(body) - WINDOW


def test_text_that_looks_like_the_name_is_not_touched() -> None:
    reader = BulkReplyReader("public")
    body = json.dumps({"choices": ['"model":"x","usage":{}'], "model": "tiny"}).encode()
    out = json.loads(reader.feed(body) + reader.finish())
    assert out == {"choices": ['"model":"x","usage":{}'], "model": "public"}
    assert reader.usage is None
