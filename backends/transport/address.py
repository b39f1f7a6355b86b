"""Where a runner listens, taken apart once from its url."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

_BLANK = re.compile(r"[\x00-\x20\x7f]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A runner's url in parts. `url` is for messages and carries no credentials."""

    url: str
    tls: bool
    host: str
    port: int
    authority: str
    """Value of the Host header."""
    base_path: str
    """Path that every request path is appended to; never ends in a slash."""
    authorization: str | None
    """Value of the Authorization header where the url carries credentials."""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Take `url` apart. Raises `ValueError` that says what is wrong, without credentials."""
        if _BLANK.search(url):
            # urlsplit would drop some of them without a word.
            raise ValueError("runner url holds a space or control character; percent-encode it")
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError("runner url must begin with http:// or https://")
        if not parts.hostname:
            raise ValueError(f"runner url {parts.scheme}://… names no host")
        port = _port(parts)
        authority = _authority(parts)
        base_path = parts.path.rstrip("/")
        shown = f"{parts.scheme}://{authority}{base_path}"
        if parts.query or parts.fragment:
            raise ValueError(f"runner url {shown} must end with its path: no '?' or '#'")
        return cls(
            url=shown,
            tls=parts.scheme == "https",
            host=parts.hostname,
            port=port or _DEFAULT_PORTS[parts.scheme],
            authority=authority,
            base_path=base_path,
            authorization=_basic(parts),
        )


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"runner url {parts.scheme}://{parts.hostname}:… has no valid port")
    return port


def _authority(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host.partition('%')[0]}]"
    elif not host.isascii():
        host = host.encode("idna").decode("ascii")
    return host if parts.port is None else f"{host}:{parts.port}"


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")
