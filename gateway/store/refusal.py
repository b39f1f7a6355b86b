"""What an error reply of the store means for the connection it came over. Pure."""

from __future__ import annotations

from enum import Enum, auto


class Refusal(Enum):
    """Kinds of error replies, by what is to be done."""

    UNKNOWN_SCRIPT = auto()
    """It has not seen the script yet: send the text."""
    MOVED = auto()
    """Another node has the keys, or will have them in a moment: ask who."""
    ELSEWHERE = auto()
    """This server will not do, another one or a later one might: connect anew."""
    UNABLE = auto()
    """It cannot serve just now; several in a row mean that it is down."""
    FAULT = auto()
    """The script is wrong."""


_MEANINGS = {
    "NOSCRIPT": Refusal.UNKNOWN_SCRIPT,
    "MOVED": Refusal.MOVED,
    "ASK": Refusal.MOVED,
    "TRYAGAIN": Refusal.MOVED,
    "CROSSSLOT": Refusal.FAULT,
    "READONLY": Refusal.ELSEWHERE,
    "LOADING": Refusal.ELSEWHERE,
    "MASTERDOWN": Refusal.ELSEWHERE,
    "CLUSTERDOWN": Refusal.ELSEWHERE,
    "NOAUTH": Refusal.ELSEWHERE,
    "NOPERM": Refusal.ELSEWHERE,
    "UNKILLABLE": Refusal.ELSEWHERE,
    "BUSY": Refusal.UNABLE,
    "MISCONF": Refusal.UNABLE,
    "NOREPLICAS": Refusal.UNABLE,
    "OOM": Refusal.UNABLE,
}


def meaning_of(text: str) -> Refusal:
    """What the reply `text` asks for.

    Before version 7, an error inside of a script begins with ERR and names the true one later.
    """
    word = text.partition(" ")[0].lstrip("-@")
    meaning = _MEANINGS.get(word)
    if meaning is not None:
        return meaning
    if text.startswith("ERR Function not found"):
        return Refusal.UNKNOWN_SCRIPT
    for word in ("READONLY", "OOM", "MISCONF", "NOREPLICAS", "NOPERM"):
        if f"-{word} " in text:
            return _MEANINGS[word]
    return Refusal.FAULT
