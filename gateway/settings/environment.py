"""`SLUICEGATE_…` variables as a layer. A variable that means nothing is a fault, not silence."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.settings.fault import Fault, Origin
from gateway.settings.masking import names_a_secret, shown, shown_path
from gateway.settings.node import KeyPath, Node, Scalar, Value, merged, node_of
from gateway.settings.shape import Shape
from gateway.settings.suggestion import nearest
from gateway.settings.yaml_file import core_value

PREFIX = "SLUICEGATE_"
CONFIG = "SLUICEGATE_CONFIG"
PROFILE = "SLUICEGATE_PROFILE"
_NOT_SETTINGS = (CONFIG, PROFILE)

# Kubernetes tells every container about every Service of its namespace, so that a Service named
# `sluicegate` puts these beside ours. They have single underscores only, and ..._PORT is a URL.
_SERVICE_LINK = re.compile(
    r"SLUICEGATE(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*"
    r"|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://\S+")


def origin_of(variable: str) -> Origin:
    return Origin(f"environment {variable}")


def segment_of(name: str) -> str:
    """How a key or name is written in a variable: upper case, `_` for every run of anything else.

    So `llama3:8b` and `llama3-8b` are both LLAMA3_8B, and `__` never stands inside a name.
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()


def variable_of(path: Iterable[str]) -> str:
    return PREFIX + "__".join(segment_of(key) for key in path)


def read_environment(
    environ: Mapping[str, str], files: Node, shape: Shape
) -> tuple[Node, list[Fault]]:
    """The layer the variables make. Names in them are looked up among those in `files`.

    A shorter variable (`SLUICEGATE_MODELS`, JSON) is read before a longer one that refines it.
    """
    reading = _Reading(files, shape)
    ours = [v for v in environ if v.upper().startswith(PREFIX) and not _foreign(v, environ[v])]
    for variable in sorted(ours, key=lambda v: (v.count("__"), v)):
        reading.read(variable, environ[variable])
    return reading.layer, reading.faults


def _foreign(variable: str, value: str) -> bool:
    if variable in _NOT_SETTINGS or _SERVICE_LINK.fullmatch(variable):
        return True
    single = variable.endswith("_PORT") and "__" not in variable
    return single and _SERVICE_URL.fullmatch(value) is not None


@dataclass(slots=True)
class _Reading:
    files: Node
    shape: Shape
    layer: Node = field(init=False)
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layer = Node({}, Origin("environment"))

    def read(self, variable: str, raw: str) -> None:
        known = merged([self.files, self.layer])
        place = _place(variable, self.shape, known)
        if place.rest:
            remedy = _remedy(variable, place, self.shape, known)
            self.faults.append(_stray(variable, raw, remedy))
            return
        path, shape = place.path, place.shape
        try:
            node = node_of(_value(raw, shape), origin_of(variable))
        except ValueError as exc:
            display = shown(raw, secret=shape.secret or shape.kind != "value")
            problem, _, remedy = str(exc).partition("; ")
            fault = Fault(origin_of(variable), shown_path(path), display, problem, remedy)
            self.faults.append(fault)
            return
        for key in reversed(path):
            node = Node({key: node}, node.origin)
        self.layer = merged([self.layer, node])


@dataclass(frozen=True, slots=True)
class _Place:
    """The setting a variable names, as far as it can be followed; `rest` is what is left over."""

    path: KeyPath
    shape: Shape
    rest: tuple[str, ...]


def _place(variable: str, shape: Shape, known: Node) -> _Place:
    segments = variable[len(PREFIX) :].split("__")
    path: KeyPath = ()
    for number, segment in enumerate(segments):
        key = _key(segment, shape, known.at(*path))
        child = shape.child(key) if key is not None else None
        if key is None or child is None or not variable.startswith(PREFIX):
            return _Place(path, shape, tuple(segments[number:]))
        path, shape = (*path, key), child
    return _Place(path, shape, ())


def _key(segment: str, shape: Shape, known: Node) -> str | None:
    """The key or name that the segment spells; a name nobody knows is a new one, in lower case."""
    for key in (*shape.keys, *known.mapping):
        if segment_of(key) == segment:
            return key
    entries = shape.child("") if shape.kind == "map" and not shape.keys else None
    if entries is None or entries.kind != "section" or segment_of(segment) != segment:
        return None
    return segment.lower() or None


def _value(raw: str, shape: Shape) -> Value:
    """Raises ValueError with "problem; remedy"."""
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid UTF-8; write it as UTF-8") from None
    if not raw:
        raise ValueError(f"empty; unset the variable, or give {shape.expected}")
    if raw == "null" and shape.nullable:
        return None
    if shape.kind == "value":
        return _scalar(raw, shape)
    kind = "list" if shape.kind == "list" else "mapping"
    example = """'["a", "b"]'""" if kind == "list" else """'{"key": "value"}'"""
    parsed = _json(raw, f"give a {kind} as JSON, such as {example}")
    if not isinstance(parsed, list if kind == "list" else dict):
        raise ValueError(f"JSON, but not a {kind}; give JSON such as {example}")
    return parsed


def _scalar(raw: str, shape: Shape) -> Scalar:
    """Text as it is where text may stand; else what the same characters mean in a file."""
    meant = core_value(raw)
    number = isinstance(meant, int | float) and not isinstance(meant, bool)
    return raw if shape.takes_text and not (number and shape.takes_numbers) else meant


def _json(raw: str, remedy: str) -> Value:
    try:
        parsed: Value = json.loads(raw, object_pairs_hook=_unique)
        json.dumps(parsed, ensure_ascii=False).encode()  # finds half surrogates
    except json.JSONDecodeError as exc:
        raise ValueError(f"not valid JSON at character {exc.pos + 1}; {remedy}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"not usable JSON (a key twice, or too large); {remedy}") from None
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a key twice")
    return entries


def _remedy(variable: str, place: _Place, shape: Shape, known: Node) -> str:
    """What the one who set the variable most likely meant."""
    upper = variable.upper()
    if upper != variable and not _place(upper, shape, known).rest:
        return f"write it in upper case: {upper}"
    names = [*_NOT_SETTINGS, *_variables(shape, known, ())]
    sibling = nearest(place.rest[0], [segment_of(key) for key in place.shape.keys])
    if sibling is not None:
        repaired = variable_of((*place.path, sibling)) + _tail(place.rest[1:])
        names.append(repaired)
    # The prefix is the same for all and would make everything alike.
    near = nearest(upper[len(PREFIX) :], [name[len(PREFIX) :] for name in names], 0.75)
    if near is not None:
        return f"did you mean {PREFIX}{near}?"
    if place.shape.kind == "list" or not place.shape.keys:
        return f"give {shown_path(place.path)} as a whole, in {variable_of(place.path)}"
    known_here = ", ".join(_pattern((*place.path, key), place.shape) for key in place.shape.keys)
    return f"unset it; known: {known_here}"


def _pattern(path: KeyPath, around: Shape) -> str:
    child = around.child(path[-1])
    more = child is not None and child.kind in ("section", "map")
    return variable_of(path) + ("__…" if more else "")


def _tail(segments: tuple[str, ...]) -> str:
    return "".join(f"__{segment}" for segment in segments)


def _stray(variable: str, raw: str, remedy: str) -> Fault:
    structured = raw.lstrip()[:1] in ("{", "[")
    display = shown(raw, secret=structured or names_a_secret(variable))
    return Fault(origin_of(variable), "", display, "no such setting", remedy)


def _variables(shape: Shape, known: Node, path: KeyPath) -> Iterator[str]:
    """Every variable that would be understood, with the names that are known."""
    if path:
        yield variable_of(path)
    for key in shape.keys or (known.mapping if shape.kind == "map" else ()):
        child = shape.child(key)
        if child is not None:
            yield from _variables(child, known.at(key), (*path, key))
