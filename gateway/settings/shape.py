"""What the schema allows at each place: the one description behind messages and variables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel

Kind: TypeAlias = Literal["section", "map", "list", "value"]
Schema: TypeAlias = Mapping[str, Any]  # JSON schema, as pydantic writes it


@dataclass(frozen=True, slots=True)
class Shape:
    """A place in the configuration. Made from the JSON schema that is also published."""

    schema: Schema = field(repr=False)
    definitions: Schema = field(repr=False)

    @classmethod
    def of(cls, model: type[BaseModel]) -> Self:
        schema = _schema_of(model)
        return cls(schema, schema.get("$defs", {}))

    @property
    def kind(self) -> Kind:
        """section: fixed keys. map: keys are names. list. value: no more below."""
        for choice in self._choices():
            if choice.get("type") == "object":
                return "section" if "properties" in choice else "map"
            if choice.get("type") == "array":
                return "list"
        return "value"

    @property
    def nullable(self) -> bool:
        return any(choice.get("type") == "null" for choice in self._choices())

    @property
    def secret(self) -> bool:
        """Whether the value may not be written into a file."""
        return any(choice.get("format") == "password" for choice in self._choices())

    @property
    def masked(self) -> bool:
        """Whether the value may not be shown while it is faulty (a key where its hash belongs)."""
        return any(choice.get("writeOnly", False) for choice in self._choices())

    @property
    def holds_sections(self) -> bool:
        """Whether this is a section or map, or a list of sections."""
        element = self.child("0") if self.kind == "list" else self
        return element is not None and element.kind in ("section", "map")

    @property
    def is_file(self) -> bool:
        return any(choice.get("format") == "path" for choice in self._choices())

    @property
    def is_path(self) -> bool:
        """Whether a relative path may stand here."""
        paths = ("path", "directory-path")
        return any(choice.get("format") in paths for choice in self._choices())

    @property
    def takes_text(self) -> bool:
        """Whether any text may stand here, so that a variable's value is taken as it is."""
        return any(c.get("type") == "string" and not _words(c) for c in self._choices())

    @property
    def takes_numbers(self) -> bool:
        return any(c.get("type") in ("integer", "number") for c in self._choices())

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are known here; none where keys are names."""
        for choice in self._choices():
            if "properties" in choice:
                return tuple(choice["properties"])
            if "propertyNames" in choice:
                return tuple(choice["propertyNames"].get("enum", ()))
        return ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that are known here."""
        return tuple(word for choice in self._choices() for word in _words(choice))

    def child(self, key: str) -> "Shape | None":
        """What is allowed under `key`, or None if nothing is."""
        for choice in self._choices():
            if "properties" in choice:
                found = choice["properties"].get(key)
            elif choice.get("type") == "array":
                found = choice.get("items", {})
            elif choice.get("type") == "object":
                found = self._entry(choice)
            else:
                continue
            return None if found is None else Shape(found, self.definitions)
        return None

    def at(self, path: tuple[str, ...]) -> "Shape | None":
        """What is allowed at `path` below here."""
        place: Shape | None = self
        for key in path:
            if place is None:
                return None
            place = place.child(key)
        return place

    @property
    def expected(self) -> str:
        """What would be right here, as a noun phrase."""
        return _phrase(self.schema)

    def _choices(self) -> Iterator[Schema]:
        yield from _flattened(self.schema, self.definitions)

    @staticmethod
    def _entry(schema: Schema) -> Schema:
        patterns = schema.get("patternProperties")
        entry = next(iter(patterns.values())) if patterns else schema["additionalProperties"]
        return entry if isinstance(entry, Mapping) else {}


def _flattened(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    if "$ref" in schema:
        yield from _flattened(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from _flattened(choice, definitions)
    else:
        yield schema


def _words(schema: Schema) -> tuple[str, ...]:
    words = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return tuple(str(word) for word in words)


def _phrase(schema: Schema) -> str:
    if "errorMessage" in schema:
        return str(schema["errorMessage"])
    if "anyOf" in schema:
        return " or ".join(_phrase(c) for c in schema["anyOf"] if c.get("type") != "null")
    if words := _words(schema):
        return ("one of " if len(words) > 1 else "") + ", ".join(words)
    if "$ref" in schema:
        return "a mapping"  # only sections are referred to
    match schema.get("type"):
        case "integer":
            return "a whole number" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "boolean":
            return "true or false"
        case "array":
            return "a list, such as [a, b]"
        case "object":
            return "a mapping"
    return "text"


def _range(schema: Schema) -> str:
    least, above, most = (schema.get(k) for k in ("minimum", "exclusiveMinimum", "maximum"))
    low = f" from {least}" if least is not None else f" above {above}" if above is not None else ""
    if most is None:
        return low
    return f"{low} to {most}" if least is not None else f"{low}, at most {most}"


@cache
def _schema_of(model: type[BaseModel]) -> Schema:
    """Nobody changes it, and to make it takes most of the time of reading a configuration."""
    return model.model_json_schema()
