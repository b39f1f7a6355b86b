"""The schema says enough at every place for a fault, an editor and a person."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from gateway.settings import (
    AuthKey,
    AuthSettings,
    DiscoverySettings,
    LaunchSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    QueueSettings,
    RunnerSettings,
    ServerSettings,
    Settings,
    TargetOptions,
    TargetSettings,
    Timeouts,
    TlsSettings,
)
from gateway.settings.shape import Shape

SECTIONS: list[type[BaseModel]] = [
    AuthKey,
    AuthSettings,
    DiscoverySettings,
    LaunchSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    QueueSettings,
    RunnerSettings,
    ServerSettings,
    TargetOptions,
    TargetSettings,
    Timeouts,
    TlsSettings,
]


def places(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Shape]]:
    yield path, shape
    for key in shape.keys or (("0",) if shape.kind in ("map", "list") else ()):
        child = shape.child(key)
        assert child is not None
        yield from places(child, (*path, key))


def test_every_place_says_what_would_be_right() -> None:
    for path, shape in places(Shape.of(Settings)):
        assert shape.expected, path


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_says_what_it_does_and_its_default(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        text = (field.description or "").lower()
        assert "default" in text or "required" in text, name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("server", "port"), "a whole number from 0 to 65535"),
        (("server", "drain_s"), "a number from 0 to 3600"),
        (("log", "access"), "true or false"),
        (("log", "format"), "one of auto, json, text"),
        (("runners", "x", "slots"), "auto, unlimited or a whole number from 1 to 4096"),
        (("runners", "x", "launch", "port"), "a whole number from 1 to 65535"),
        (("runners", "x", "tls"), "a mapping"),
        (("server", "cors_origins"), "a list, such as [a, b]"),
    ],
)
def test_bounds_and_choices_are_in_words(path: tuple[str, ...], expected: str) -> None:
    place = Shape.of(Settings).at(path)
    assert place is not None
    assert place.expected == expected


def test_only_keys_passwords_and_tokens_are_secret_and_hashes_of_keys_masked() -> None:
    root = Shape.of(Settings)
    secret = [path for path, shape in places(root) if shape.secret]
    masked = [path for path, shape in places(root) if shape.masked]
    assert secret == [("runners", "0", "api_key"), ("store", "password"), ("admin", "token")]
    assert masked == [("auth", "keys", "0", "sha256"), *secret]
