"""Label values that somebody else makes up."""

from __future__ import annotations

import pytest

from gateway.telemetry.bounded_names import MOST, OTHER, BoundedNames


def test_names_are_labels_as_they_are() -> None:
    names = BoundedNames()
    for name in ("overloaded", "model_not_found", "top-k", "a.b:c", "X" * 64):
        assert names.label(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\n", 'a"', "naïve", "x" * 65, "\ud800", "{}"])
def test_what_is_no_plain_name_is_other(name: str) -> None:
    assert BoundedNames().label(name) == OTHER


def test_only_the_first_hundred_names_count_and_they_stay() -> None:
    names = BoundedNames()
    labels = {names.label(f"code-{number}") for number in range(10_000)}
    assert len(labels) == MOST + 1
    assert OTHER in labels
    assert names.label("code-0") == "code-0"
    assert names.label("code-9999") == OTHER
