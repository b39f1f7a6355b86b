"""Configuration values that remember where they were written, and how layers of them merge."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

from gateway.settings.fault import DEFAULT, Origin

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
KeyPath: TypeAlias = tuple[str, ...]

MAX_DEPTH = 32  # the schema needs 6; more is an attack on our recursion


@dataclass(frozen=True, slots=True)
class Node:
    """One value and its origin. The value stays out of `repr`: it may be a secret."""

    value: "Scalar | list[Node] | dict[str, Node]" = field(repr=False)
    origin: Origin

    @property
    def mapping(self) -> "dict[str, Node]":
        """The entries of a mapping; nothing for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> "list[Node]":
        """The elements of a list; nothing for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str | None:
        """The value if it is text."""
        return self.value if isinstance(self.value, str) else None

    def get(self, *path: str) -> "Node | None":
        """What is written at `path` below this node (list elements by number), or None."""
        node: Node | None = self
        for key in path:
            if node is None:
                return None
            if key.isdecimal() and isinstance(node.value, list):
                node = node.value[int(key)] if int(key) < len(node.value) else None
            else:
                node = node.mapping.get(key)
        return node

    def at(self, *path: str) -> "Node":
        """As `get`, with an empty node for what is not written."""
        return self.get(*path) or EMPTY

    def origin_near(self, path: KeyPath) -> Origin:
        """Where the value at `path`, or the nearest thing around it, is written."""
        for length in range(len(path), 0, -1):
            node = self.get(*path[:length])
            if node is not None:
                return node.origin
        return self.origin


EMPTY = Node(None, DEFAULT)


def node_of(value: Value, origin: Origin, depth: int = 0) -> Node:
    """A plain value with one origin throughout. Too deep: ValueError("problem; remedy")."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, dict):
        return Node({k: node_of(v, origin, depth + 1) for k, v in value.items()}, origin)
    if isinstance(value, list):
        return Node([node_of(v, origin, depth + 1) for v in value], origin)
    return Node(value, origin)


def plain(node: Node) -> Value:
    """The value without its origins."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def merged(layers: Iterable[Node]) -> Node:
    """Layers laid over one another, weakest first."""
    return reduce(_laid_over, layers, Node({}, DEFAULT))


def _laid_over(below: Node, above: Node) -> Node:
    """Mappings merge key by key; a list or a plain value replaces whatever was there before.

    A mapping that both write keeps the origin of the weaker: that is where it is defined.
    """
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    entries = dict(below.value)
    for key, child in above.value.items():
        entries[key] = _laid_over(entries[key], child) if key in entries else child
    return Node(entries, below.origin)
