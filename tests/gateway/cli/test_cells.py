"""Text takes exactly its place on the screen, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.cells import fit, width_of


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("ab", 4, "ab  "),
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        ("模型模型", 5, "模型…"),
        ("模型模型", 4, "模… "),
        ("a\x1b[2Jb", 8, "a?[2Jb  "),
        ("a\nb", 3, "a?b"),
        ("abc", 0, ""),
        ("", 2, "  "),
    ],
)
def test_it_is_cut_or_padded(text: str, width: int, shown: str) -> None:
    assert fit(text, width) == shown


def test_numbers_stand_on_the_right() -> None:
    assert fit("7", 3, right=True) == "  7"


@given(st.text(), st.integers(0, 40))
def test_it_is_never_wider_and_never_moves_the_cursor(text: str, width: int) -> None:
    shown = fit(text, width)
    assert width_of(shown) == width
    assert shown.isprintable()
