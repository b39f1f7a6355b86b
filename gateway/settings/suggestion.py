"""The remedy for a misspelt name: the nearest known one, else what is known."""

import difflib
from collections.abc import Iterable

_LISTED = 12


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word most like `word`, or None if none is like it."""
    # Case is not a difference of meaning to the one who mistyped: 'Port' means 'port'.
    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy that names the nearest known word, or lists what is known."""
    names = list(known)
    match = nearest(word, names)
    if match is not None:
        return f"did you mean {match!r}?"
    if not names:
        return "none is configured"
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return f"known: {listed}"
