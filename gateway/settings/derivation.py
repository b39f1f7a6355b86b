"""Defaults that depend on other values: they are laid below every file."""

from gateway.settings.fault import DEFAULT
from gateway.settings.node import Node, merged

DERIVED = frozenset({("models", "*", "backend"), ("models", "*", "backends", "*", "model")})
"""What may be left out although a model cannot do without it; `*` is any name."""


def with_derived(document: Node) -> Node:
    """The document, with what a model leaves out because its surroundings say it.

    The chosen backend may be left out where there is only one; the upstream name defaults to the
    public name.
    """
    models = {name: _derived(name, model) for name, model in document.at("models").mapping.items()}
    below = Node({"models": Node(models, DEFAULT)}, DEFAULT) if models else Node({}, DEFAULT)
    return merged([document, _absent_from(document, below)])


def _derived(name: str, model: Node) -> Node:
    targets = model.at("backends").mapping
    entries: dict[str, Node] = {}
    if len(targets) == 1:
        entries["backend"] = Node(next(iter(targets)), DEFAULT)
    named = Node({"model": Node(name, DEFAULT)}, DEFAULT)
    entries["backends"] = Node(
        {kind: named for kind, target in targets.items() if isinstance(target.value, dict)}, DEFAULT
    )
    return Node(entries, DEFAULT)


def _absent_from(document: Node, derived: Node) -> Node:
    """What is derived and not written. A written null counts as not written."""
    entries = {}
    for key, child in derived.mapping.items():
        written = document.get(key)
        if isinstance(child.value, dict):
            if written is not None and isinstance(written.value, dict):
                entries[key] = _absent_from(written, child)
        elif written is None or written.value is None:
            entries[key] = child
    return Node(entries, derived.origin)
