"""One YAML file as nodes that know their lines. Whatever is in the file, the outcome is nodes and
faults, never another exception."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.settings.fault import Fault, Origin
from gateway.settings.masking import quoted, shown_path
from gateway.settings.node import MAX_DEPTH, KeyPath, Node, Scalar

MAX_BYTES = 1 << 20
_MAX_VALUES = 20_000  # with aliases, a few lines can spell billions

_TAG = "tag:yaml.org,2002:"
# The core schema of YAML 1.2, which editors check against. PyYAML's own is YAML 1.1, where
# `no` is false, `12:30` is 750, and 2026-01-01 is a date.
_CORE = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]{1,30}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}"),
    "float": re.compile(
        r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}


def core_value(text: str) -> Scalar:
    """What an unquoted scalar means."""
    kind = _core_kind(text)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if kind == "float":
        return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
    return text


def _core_kind(text: str) -> str:
    return next((kind for kind, form in _CORE.items() if form.fullmatch(text)), "str")


class _CoreLoader(yaml.BaseLoader):
    """Composes nodes; resolves plain scalars by the core schema."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _TAG + _core_kind(value)
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag


def read_yaml(path: Path, label: str) -> tuple[Node | None, list[Fault]]:
    """The mapping in the file at `path`, and the faults found on the way.

    The node is None if the file cannot be read as YAML at all. `label` names the file in origins.
    Raises FileNotFoundError if there is no such file; whether that is a fault, the caller knows.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return None, [_fault(label, 0, f"cannot be read: {reason}", "make it a readable file")]
    if len(data) > MAX_BYTES:
        return None, [_fault(label, 0, "larger than 1 MiB", "is this the right file?")]
    return parse_yaml(data, label)


def parse_yaml(data: bytes, label: str) -> tuple[Node | None, list[Fault]]:
    """As `read_yaml`, for the bytes of a file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        problem = f"the byte 0x{data[exc.start]:02x} is not UTF-8"
        return None, [_fault(label, line, problem, "save the file as UTF-8")]
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.YAMLError as exc:
        return None, [_syntax_fault(exc, text, label)]
    except RecursionError:
        return None, [_too_deep(Origin(label))]
    except (ValueError, OverflowError):
        # PyYAML lets these out for escapes and version numbers beyond what Python can hold.
        return None, [_fault(label, 0, "an escape or number is out of range", "write it plainly")]
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _TAG + "null"):
        return Node({}, Origin(label)), []
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        return None, [
            _fault(label, line, "not a mapping", "begin with a section such as `server:`")
        ]
    reading = _Reading(label)
    return reading.node(root, ()), reading.faults


@dataclass(slots=True)
class _Reading:
    """Turns composed nodes into ours, and notes what may not stand in a configuration."""

    label: str
    faults: list[Fault] = field(default_factory=list)
    values: int = 0
    open: set[int] = field(default_factory=set)  # mappings and lists we are inside of

    def node(self, found: yaml.Node, path: KeyPath, line: int | None = None) -> Node:
        """`line` is that of the key, which is where a reader looks for the value."""
        origin = Origin(self.label, line or found.start_mark.line + 1)
        self.values += 1
        if len(path) > MAX_DEPTH or id(found) in self.open:
            self.faults.append(_too_deep(origin))
        elif self.values > _MAX_VALUES:
            if self.values == _MAX_VALUES + 1:
                self._note(origin, path, "too many values", "are there aliases of aliases?")
        elif isinstance(found, yaml.ScalarNode):
            return Node(self._scalar(found, origin, path), origin)
        else:
            self.open.add(id(found))
            try:
                return Node(self._collection(found, origin, path), origin)
            finally:
                self.open.discard(id(found))
        return Node(None, origin)

    def _collection(
        self, found: yaml.Node, origin: Origin, path: KeyPath
    ) -> dict[str, Node] | list[Node]:
        kind = "map" if isinstance(found, yaml.MappingNode) else "seq"
        if found.tag != _TAG + kind:
            self._note(origin, path, _tag_problem(found), "remove it")
        if not isinstance(found, yaml.MappingNode):
            return [self.node(item, (*path, str(i))) for i, item in enumerate(found.value)]
        entries: dict[str, Node] = {}
        for key_node, value in found.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            line = key_node.start_mark.line + 1
            child = self.node(value, (*path, key), line)
            if key in entries:
                problem = f"written twice; first in line {entries[key].origin.line}"
                self._note(child.origin, (*path, key), problem, "keep one of them")
            else:
                entries[key] = child
        return entries

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        origin = Origin(self.label, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            self._note(origin, path, "a key that is not a word", "write `name: value`")
        elif node.value == "<<":
            remedy = "repeat the keys, or use an alias for the whole value"
            self._note(origin, path, "the merge key << is not supported", remedy)
        elif not _encodable(node.value):
            self._note(origin, path, "a key that is no valid text", "write it plainly")
        else:
            return str(node.value)
        return None

    def _scalar(self, found: yaml.ScalarNode, origin: Origin, path: KeyPath) -> Scalar:
        text: str = found.value
        kind = found.tag.removeprefix(_TAG)
        if not _encodable(text):
            self._note(origin, path, "half of a character (a lone surrogate)", "write it plainly")
            return None
        if kind in _CORE and _core_kind(text) == kind:
            return core_value(text)
        if kind != "str":
            self._note(origin, path, _tag_problem(found), "remove it")
        return text

    def _note(self, origin: Origin, path: KeyPath, problem: str, remedy: str) -> None:
        self.faults.append(Fault(origin, shown_path(path), None, problem, remedy))


def _tag_problem(node: yaml.Node) -> str:
    return f"the tag {quoted(node.tag.replace(_TAG, '!!'))} means nothing here"


def _encodable(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _fault(label: str, line: int, problem: str, remedy: str) -> Fault:
    return Fault(Origin(label, line), "", None, problem, remedy)


def _too_deep(origin: Origin) -> Fault:
    problem = f"nested deeper than {MAX_DEPTH} levels"
    return Fault(origin, "", None, problem, "close the brackets, undo aliases of themselves")


def _syntax_fault(exc: yaml.YAMLError, text: str, label: str) -> Fault:
    """Only what PyYAML says and where: its quotation of the line could show a secret."""
    if isinstance(exc, yaml.reader.ReaderError):
        line = text.count("\n", 0, exc.position) + 1
        return _fault(label, line, "a control character", "remove it")
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    line = mark.line + 1 if mark is not None else 0
    problem = getattr(exc, "problem", None) or "not valid YAML"
    if "'\\t'" in problem or _tab_at(text, line):
        return _fault(label, line, "a tab where YAML wants spaces", "replace it by spaces")
    remedy = "look for a missing quote, bracket, colon or space in or above this line"
    if "single document" in (getattr(exc, "context", None) or ""):
        problem, remedy = "a second document", "keep one document a file, without `---` between"
    return _fault(label, line, f"not valid YAML: {problem}", remedy)


def _tab_at(text: str, line: int) -> bool:
    lines = text.split("\n")
    return 0 < line <= len(lines) and bool(re.match(r" *\t", lines[line - 1]))
