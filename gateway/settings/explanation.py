"""Pydantic's findings in our words: where, what, and what would be right."""

from collections.abc import Iterator
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import KeyPath, Node
from gateway.settings.shape import Shape
from gateway.settings.suggestion import did_you_mean, nearest

Words: TypeAlias = tuple[str, str]  # problem, remedy

_PROBLEMS = {
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "less_than_equal": "too large",
    "string_too_long": "too long",
    "string_pattern_mismatch": "not of the right form",
    "finite_number": "not a number",
    "literal_error": "not one of the choices",
}


def explained(error: ValidationError, document: Node, shape: Shape) -> Iterator[Fault]:
    """One fault for each finding."""
    for detail in error.errors(include_url=False):
        if not _said_elsewhere(detail):
            yield _fault(detail, document, shape)


def _said_elsewhere(detail: ErrorDetails) -> bool:
    """Findings that follow from another one. `model_rules.py` knows why no backend is chosen."""
    if detail["type"] == "missing":
        return detail["loc"][0] == "models" and detail["loc"][-1] == "backend"
    return detail["type"] == "default_factory_not_called"


def _fault(detail: ErrorDetails, document: Node, shape: Shape) -> Fault:
    path = tuple(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        problem, remedy = _missing(path, document, shape)
        return fault_at(document, shape, path[:-1], problem, remedy)
    path += tuple(str(v) for k, v in detail.get("ctx", {}).items() if k == "field")
    if path[-1] == "[key]":
        path = path[:-1]
        problem, remedy = _key(detail, path, shape)
    else:
        problem, remedy = _value(detail, path, document, shape)
    return fault_at(document, shape, path, problem, remedy)


def _missing(path: KeyPath, document: Node, shape: Shape) -> Words:
    place = shape.at(path)
    remedy = f"add {path[-1]}: {place.expected if place else ''}"
    entry = path[:-1]
    home = document.at(*entry).origin.source
    # An incomplete entry of a profile or variable is most often a misspelt name of a known one.
    others = {
        name: node
        for name, node in document.at(*entry[:-1]).mapping.items()
        if node.origin.source != home
    }
    near = nearest(entry[-1], others) if len(entry) > 1 else None
    if near is not None:
        remedy += f"; or did you mean {near!r} from {others[near].origin}?"
    return f"{path[-1]!r} is missing", remedy


def _key(detail: ErrorDetails, path: KeyPath, shape: Shape) -> Words:
    around = shape.at(path[:-1])
    if around is not None and around.keys:
        return "unknown key", did_you_mean(path[-1], around.keys)
    return _refused(detail) or (
        "not a name",
        "use letters, digits and . _ -, in names of models also : / @ +",
    )


def _value(detail: ErrorDetails, path: KeyPath, document: Node, shape: Shape) -> Words:
    kind, place, node = detail["type"], shape.at(path), document.at(*path)
    if kind == "extra_forbidden":
        around = shape.at(path[:-1])
        return "unknown key", did_you_mean(path[-1], around.keys if around else ())
    expected = place.expected if place else "something else"
    if refused := _refused(detail):
        return refused
    if node.value is None or node.value == "" or kind == "too_short":
        return "empty", f"give {expected}" if kind != "too_short" else "give at least one"
    if kind == "literal_error" and place is not None and node.text:
        near = nearest(node.text, place.choices)
        return "not one of the choices", f"did you mean {near!r}?" if near else f"give {expected}"
    if kind == "string_type" and isinstance(node.value, bool | int | float):
        return "YAML takes this for something other than text", "put it in quotes"
    return _PROBLEMS.get(kind, "the wrong kind of value"), f"give {expected}"


def _refused(detail: ErrorDetails) -> Words | None:
    """The words of one of our own validators."""
    context = detail.get("ctx", {})
    if detail["type"] != "refused":
        return None
    return str(context["problem"]), str(context["remedy"])
