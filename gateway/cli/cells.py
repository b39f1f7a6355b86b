"""Text in a terminal's cells: never wider than its place, and never a control character."""

from __future__ import annotations

import unicodedata


def width_of(text: str) -> int:
    """Cells that a text takes."""
    return sum(map(_cells, text))


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly so many cells, cut with `…` or padded.

    What others made up may hold anything: what does not print is shown as `?`.
    """
    clean = "".join(each if each.isprintable() else "?" for each in text)
    if width_of(clean) > width:
        kept, room = [], width - 1
        for each in clean:
            room -= _cells(each)
            if room < 0:
                break
            kept.append(each)
        clean = "".join(kept) + "…" if width > 0 else ""
    padding = " " * (width - width_of(clean))
    return padding + clean if right else clean + padding


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
