"""`store.url`: which store, and how it is reached. Nothing is connected here."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field

from gateway.settings.field_types import refusal

StoreKind: TypeAlias = Literal["embedded", "single", "unix", "sentinel", "cluster"]

_RIGHT = (
    "embedded, redis://HOST:PORT/DB, unix:///PATH, redis+sentinel://HOST:PORT,HOST:PORT/MASTER or "
    "redis+cluster://HOST:PORT,HOST:PORT (rediss for TLS)"
)
_SCHEMES: dict[str, StoreKind] = {
    "redis": "single",
    "valkey": "single",
    "unix": "unix",
    "redis+sentinel": "sentinel",
    "redis+cluster": "cluster",
}
_PORTS: dict[StoreKind, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]{0,252}))(?::(?P<port>\d{1,5}))?"
)
_MASTER = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MOST_NODES = 64


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """What `store.url` says. `nodes` are servers, sentinels, or some nodes of the cluster."""

    kind: StoreKind
    nodes: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    path: str = ""
    master: str = ""
    db: int = 0


def parse_store_url(url: str) -> StoreAddress:
    """Raises PydanticCustomError for what is no address of a store."""
    if url == "embedded":
        return StoreAddress("embedded")
    parts = _parts(url)
    scheme = parts.scheme.replace("rediss", "redis").replace("valkeys", "valkey")
    kind = _SCHEMES.get(scheme)
    if kind is None:
        raise refusal("not an address of a store", f"give {_RIGHT}")
    if kind == "unix":
        if parts.netloc or len(parts.path) < 2:
            raise refusal("not the path of a socket", "give unix:///PATH, with three slashes")
        return StoreAddress("unix", path=unquote(parts.path))
    nodes = _nodes(parts.netloc, _PORTS[kind])
    if kind == "single" and len(nodes) > 1:
        raise refusal("several servers", "write redis+sentinel:// or redis+cluster://, or one")
    tls = parts.scheme != scheme
    below = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    if kind == "single":
        return StoreAddress(kind, nodes, tls, db=_db(below))
    if kind == "cluster":
        if below:
            raise refusal("a cluster has no numbered databases", "leave out what follows the hosts")
        return StoreAddress(kind, nodes, tls)
    if not below or not _MASTER.fullmatch(below[0]):
        raise refusal(
            "the name of the master is missing",
            "add it: redis+sentinel://HOST:PORT/MASTER, as in `sentinel monitor MASTER …`",
        )
    return StoreAddress(kind, nodes, tls, master=below[0], db=_db(below[1:]))


def _parts(url: str) -> SplitResult:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise refusal("the address holds white space", "remove it")
    try:
        parts = urlsplit(url)
    except ValueError:  # an unclosed IPv6 bracket
        raise refusal("not an address of a store", f"give {_RIGHT}") from None
    if "@" in parts.netloc:
        raise refusal(
            "the address holds credentials",
            "take them out and use store.username with store.password_file or store.password",
        )
    if parts.query or parts.fragment:
        raise refusal("the address holds a query or fragment", f"give {_RIGHT}")
    return parts


def _nodes(netloc: str, port: int) -> tuple[tuple[str, int], ...]:
    nodes = []
    for each in netloc.split(","):
        match = _HOST.fullmatch(each)
        if match is None or not 0 < int(match["port"] or port) < 65_536:
            raise refusal("not a list of hosts", "give HOST:PORT, several with commas between them")
        nodes.append((match["v6"] or match["name"], int(match["port"] or port)))
    if len(nodes) > _MOST_NODES:
        raise refusal("too many hosts", f"name {_MOST_NODES} at most, the others are found")
    return tuple(dict.fromkeys(nodes))


def _db(below: list[str]) -> int:
    if not below:
        return 0
    if len(below) > 1 or not re.fullmatch(r"\d{1,4}", below[0]):
        raise refusal("not the number of a database", "give a number, or leave it out for 0")
    return int(below[0])


def _checked(url: str) -> str:
    parse_store_url(url)
    return url


StoreUrl = Annotated[
    str, AfterValidator(_checked), Field(json_schema_extra={"errorMessage": _RIGHT})
]
