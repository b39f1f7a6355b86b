from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.launch.output import MAX_LINE_CHARS, MAX_LINES, OutputTail


def lines_of(*pieces: bytes) -> tuple[str, ...]:
    tail = OutputTail()
    for piece in pieces:
        tail.feed(piece)
    return tail.lines()


def test_lines_are_kept_in_order_with_the_unfinished_one() -> None:
    assert lines_of(b"one\ntwo\nthr", b"ee\nfour") == ("one", "two", "three", "four")


def test_only_the_last_lines_are_kept() -> None:
    lines = lines_of(b"".join(b"%d\n" % n for n in range(MAX_LINES + 50)))
    assert lines[0] == "50"
    assert len(lines) == MAX_LINES


def test_a_long_line_is_cut_however_it_arrives() -> None:
    whole = lines_of("ü".encode() * 5000 + b"\nnext\n")
    pieces = lines_of(*[b"x" * 999] * 50, b"\nnext")
    assert [len(line) for line in whole] == [MAX_LINE_CHARS, 4]
    assert [len(line) for line in pieces] == [MAX_LINE_CHARS, 4]


def test_of_a_progress_bar_the_last_state_counts() -> None:
    assert lines_of(b"load 1%\rload 2%", b"\rload 99%\r", b"\ndone\r\n") == ("load 99%", "done")


def test_blank_lines_and_control_characters_do_not_come_through() -> None:
    assert lines_of(b"\n\n \x1b[31mred\x1b[0m\xff\n") == ("  [31mred [0m\ufffd",)


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r", b"\n", b"\r\n", b"ab"])))
def test_where_the_output_is_cut_into_pieces_does_not_matter(pieces: list[bytes]) -> None:
    assert lines_of(*pieces) == lines_of(b"".join(pieces))
