"""The text of a key: `sg-`, 256 random bits, and a checksum that tells a slip from a stranger.

Because of the checksum a text that was cut, mistyped or made up is refused without asking the
store. The text is shown once and never kept; what is kept is its SHA-256, which needs no salt and
no slow hash because nobody can guess 256 bits.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "sg-"
MOST_BYTES = 4096
"""No key is longer, whoever made it: hashing what strangers send must stay cheap."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_FORM = re.compile(rb"sg-[0-9A-Za-z]{%d}([0-9A-Za-z]{%d})" % (_SECRET_LENGTH, _CHECKSUM_LENGTH))


def new_text() -> str:
    """A new key, 52 characters, fit for a header, a shell and a double click."""
    secret = PREFIX + _base62(int.from_bytes(secrets.token_bytes(32)), _SECRET_LENGTH)
    return secret + _checksum(secret.encode("ascii"))


def is_well_formed(text: bytes) -> bool:
    """Whether `new_text` may have made it. Says nothing about whether anybody knows it."""
    found = _FORM.fullmatch(text)
    return found is not None and _checksum(text[:-_CHECKSUM_LENGTH]).encode("ascii") == found[1]


def digest_of(text: bytes) -> bytes:
    """What is kept of a key in place of its text."""
    return hashlib.sha256(text).digest()


def _checksum(secret: bytes) -> str:
    return _base62(zlib.crc32(secret), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
