"""Which server holds which keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from redis.crc import key_slot

Node: TypeAlias = tuple[str, int]
"""Host and port of a server."""

SLOTS = 16_384
THE_ONE: Node = ("", 0)
"""The server of a store that has only one; its endpoint knows where it is."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Ranges of hash slots, both ends included, and the node that takes writes for each."""

    ranges: tuple[tuple[int, int, Node], ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, once."""
        return tuple(dict.fromkeys(node for _, _, node in self.ranges))

    def node_of(self, slot: int) -> Node | None:
        """Who takes writes for a slot; None while nobody does."""
        for first, last, node in self.ranges:
            if first <= slot <= last:
                return node
        return None


WHOLE = Topology(((0, SLOTS - 1, THE_ONE),))
"""One server has everything."""


def slot_of(key: bytes) -> int:
    """The hash slot of a key: that of its hash tag, where it has one."""
    return int(key_slot(key))


def topology_of(reply: Iterable[list[object]], asked: Node) -> Topology:
    """What CLUSTER SLOTS said. Raises `ValueError`.

    A node that does not know its own name leaves it empty: it is where it was `asked`.
    """
    ranges = []
    for entry in reply:
        match entry:
            case [int(first), int(last), [host, int(port), *_], *_]:
                name = host.decode() if isinstance(host, bytes) else ""
                ranges.append((first, last, (asked[0] if name in ("", "?") else name, port)))
            case _:
                raise ValueError(f"not a range of slots: {entry!r}")
    return Topology(tuple(sorted(ranges)))
