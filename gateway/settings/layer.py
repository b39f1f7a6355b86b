"""What is done to one layer before it is merged, while it is still known where it comes from."""

from collections.abc import Iterator
from pathlib import Path

from gateway.settings.environment import variable_of
from gateway.settings.fault import Fault
from gateway.settings.masking import MASK, names_a_secret, shown_path
from gateway.settings.node import KeyPath, Node
from gateway.settings.runner import CREDENTIAL_HEADER
from gateway.settings.shape import Shape


def settled(node: Node, shape: Shape, directory: Path) -> Node:
    """The layer without empty sections, and with paths that start at `directory`.

    `runners:` with everything below it commented out is null in YAML; it must neither be a fault
    nor wipe out what a weaker layer says.
    """
    if node.value is None and not shape.nullable and shape.kind in ("section", "map"):
        return Node({}, node.origin)
    if node.text and shape.is_path:
        return Node(str(directory / node.text), node.origin)
    if isinstance(node.value, dict):
        entries = {}
        for key, child in node.value.items():
            place = shape.child(key)
            if place is None:
                entries[key] = child
            elif child.value is not None or place.nullable or place.kind != "list":
                entries[key] = settled(child, place, directory)
        return Node(entries, node.origin)
    return node


def literal_secrets(node: Node, shape: Shape, path: KeyPath = ()) -> Iterator[Fault]:
    """Secrets that stand in a file. Files are committed, copied and backed up."""
    for key, child in node.mapping.items():
        place, here = shape.child(key), (*path, key)
        if place is None or child.value is None:
            continue
        if place.secret:
            remedy = f"set {variable_of(here)} in the environment, or name a file in {key}_file"
        elif CREDENTIAL_HEADER.fullmatch(key):
            continue  # refused wherever it stands
        elif shape.kind == "map" and place.kind == "value" and names_a_secret(key):
            remedy = f"give all of {path[-1]} in the environment, as JSON in {variable_of(path)}"
        else:
            yield from literal_secrets(child, place, here)
            continue
        problem = "a secret in a configuration file"
        yield Fault(child.origin, shown_path(here), MASK, problem, remedy)
