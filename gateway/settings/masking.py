"""How values are shown, in faults and in the effective configuration: no secrets, no floods."""

import json
import re

MASK = "********"
_SHOWN_CHARACTERS = 80
_SECRET_WORDS = re.compile(
    r"apikey|authorization|cookie|credentials?|keys?|passphrase|passw(or)?d|secrets?|token"
)
_USERINFO = re.compile(r"(?<=//)[^/\s]*@")
_QUERY = re.compile(r"(?<=\?).+", re.DOTALL)
_TOKEN = re.compile(r"(?<![A-Za-z0-9])((sk-|sg-|hf_|gsk_|ghp_)\S{10,}|[Bb]earer\s+\S+)")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def names_a_secret(name: str) -> bool:
    """Whether a key of this name usually holds a secret: HF_TOKEN, but not TOKENIZERS_PARALLELISM.

    A `*_file` only says where one lies.
    """
    words = re.split(r"[^a-z]+", name.lower())
    return words[-1] != "file" and any(_SECRET_WORDS.fullmatch(word) for word in words)


def masked_text(text: str) -> str:
    """The text without passwords and queries of URLs and without what looks like an API key."""
    return _TOKEN.sub(MASK, _QUERY.sub(MASK, _USERINFO.sub(f"{MASK}@", text)))


def quoted(text: str) -> str:
    """The text in double quotes, printable on any terminal: controls, lone surrogates escaped."""
    line = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)


def shown(value: object, *, secret: bool = False) -> str:
    """One line for a fault. Mappings and lists are named, not printed: a secret may lie in them."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if secret:
        return MASK
    if isinstance(value, str):
        text = masked_text(value)
        cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
        return quoted(cut)
    return json.dumps(value)[:_SHOWN_CHARACTERS]


def shown_path(path: tuple[str, ...]) -> str:
    """Keys joined by dots; a key that holds a dot or worse is quoted."""
    return ".".join(
        key if _PLAIN_KEY.fullmatch(key) else quoted(key[:_SHOWN_CHARACTERS]) for key in path
    )
