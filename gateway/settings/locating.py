"""From a place in the merged configuration to a fault that says where it is written."""

from gateway.settings.fault import Fault
from gateway.settings.masking import names_a_secret, shown, shown_path
from gateway.settings.node import KeyPath, Node
from gateway.settings.shape import Shape


def fault_at(document: Node, shape: Shape, path: KeyPath, problem: str, remedy: str) -> Fault:
    """The fault of the value at `path`, or of the nearest thing around it if nothing is there."""
    node = document.get(*path)
    display = None
    if node is not None and not _is_collection_in_place(node, shape.at(path)):
        display = shown(node.value, secret=_is_secret(shape, path))
    return Fault(document.origin_near(path), shown_path(path), display, problem, remedy)


def _is_collection_in_place(node: Node, place: Shape | None) -> bool:
    """Mappings and lists are only worth a mention where something else was expected."""
    if isinstance(node.value, dict):
        return place is None or place.kind in ("section", "map")
    return isinstance(node.value, list) and (place is None or place.kind == "list")


def _is_secret(shape: Shape, path: KeyPath) -> bool:
    place, around = shape.at(path), shape.at(path[:-1])
    if place is None or around is None:
        return any(names_a_secret(key) for key in path)
    if place.kind == "value" and around.kind == "map":  # headers, variables
        return names_a_secret(path[-1])
    # Text where entries belong: `keys: <the key itself>`.
    return place.masked or place.holds_sections
