"""The model name in replies: bytes are passed on as they came, with one fragment exchanged."""

from __future__ import annotations

from functools import lru_cache

import msgspec


@lru_cache(maxsize=1024)
def quoted(name: str) -> bytes:
    """A model name as JSON. Few names are written again and again, so they are kept."""
    return msgspec.json.encode(name)


def rename(document: bytes, upstream: str, public: str) -> bytes | None:
    """`document` with its model name exchanged, or None if its spelling is not one we know."""
    value = quoted(upstream)
    for key in (b'"model":', b'"model": '):
        before, found, after = document.partition(key + value)
        if found:
            return b"".join((before, b'"model":', quoted(public), after))
    return None


class ModelName:
    """Puts the public model name where a runner wrote its own, in raw JSON.

    A runner writes the name the same way in every chunk of a stream, so the fragment is looked for
    once (`"model":"tiny"` or `"model": "tiny"`) and exchanged from then on. It cannot be met inside
    generated text: there every quotation mark is escaped.
    """

    __slots__ = ("_fragment", "_public", "upstream")

    def __init__(self, public: str) -> None:
        self._public = b'"model":' + quoted(public)
        self._fragment = b""
        self.upstream: str | None = None
        """The name that `replace` looks for; None until one was learnt."""

    def learn(self, document: bytes, upstream: str) -> None:
        """Find out how `document` writes the model name `upstream`.

        A spelling we do not know (a name with escapes, say) is left to the caller, who then has to
        write the document anew.
        """
        value = quoted(upstream)
        self.upstream = None
        for fragment in (b'"model":' + value, b'"model": ' + value):
            if fragment in document:
                self._fragment, self.upstream = fragment, upstream
                return

    def replace(self, document: bytes) -> bytes | None:
        """`document` with the public name, or None if the learnt fragment is not in it."""
        before, found, after = document.partition(self._fragment)
        return before + self._public + after if found else None
