"""What a key looks like, and what is refused before anybody is asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.text import MOST_BYTES, digest_of, is_well_formed, new_text

KEY = new_text()


def test_a_new_key_is_well_formed_and_of_one_length() -> None:
    keys = {new_text() for _ in range(500)}
    assert len(keys) == 500
    assert all(re.fullmatch(r"sg-[0-9A-Za-z]{49}", key) for key in keys)
    assert all(is_well_formed(key.encode()) for key in keys)


@given(st.integers(0, len(KEY) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_key_survives_a_slip(place: int, typed: str) -> None:
    slip = KEY[:place] + typed + KEY[place + 1 :]
    assert is_well_formed(slip.encode()) == (slip == KEY)


@given(st.integers(0, len(KEY) - 2))
def test_no_key_survives_two_characters_that_changed_places(place: int) -> None:
    swapped = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    assert is_well_formed(swapped.encode()) == (swapped == KEY)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"sg-",
        KEY.encode()[:-1],
        KEY.encode() + b"x",
        KEY.encode() + b"\n",
        b" " + KEY.encode(),
        KEY.upper().encode(),
        KEY[3:].encode(),
        ("sk-" + KEY[3:]).encode(),
        b"sg-" + b"0" * 49,
        b"sg-" + b"\xff" * 49,
        b"sg-" + b"\0" * 49,
        b"sg-" + b"x" * MOST_BYTES,
    ],
)
def test_anything_else_is_not(text: bytes) -> None:
    assert not is_well_formed(text)


@given(st.binary())
def test_nothing_is_well_formed_by_chance(text: bytes) -> None:
    assert not is_well_formed(text)


def test_the_digest_is_what_everybody_else_calls_sha256() -> None:
    assert digest_of(b"abc").hex().startswith("ba7816bf8f01cfea414140de5dae2223")
