"""Merging layers of nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.fault import DEFAULT, Origin
from gateway.settings.node import MAX_DEPTH, Value, merged, node_of, plain

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
LAYERS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
A, B, C = Origin("a"), Origin("b"), Origin("c")


def expected(below: Value, above: Value) -> Value:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {key: expected(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | both


@given(LAYERS, LAYERS)
def test_mappings_merge_and_everything_else_is_replaced(
    below: dict[str, Value], above: dict[str, Value]
) -> None:
    assert plain(merged([node_of(below, A), node_of(above, B)])) == expected(below, above)


@given(LAYERS, LAYERS, LAYERS)
def test_merging_in_steps_is_merging_at_once(
    a: dict[str, Value], b: dict[str, Value], c: dict[str, Value]
) -> None:
    one, two, three = node_of(a, A), node_of(b, B), node_of(c, C)
    assert merged([merged([one, two]), three]) == merged([one, two, three])


def test_a_mapping_keeps_the_origin_of_its_definition_and_values_have_their_own() -> None:
    document = merged([node_of({"m": {"x": 1, "y": 2}}, A), node_of({"m": {"y": 3}}, B)])
    assert document.at("m").origin == A
    assert document.at("m", "x").origin == A
    assert document.at("m", "y").origin == B
    assert document.origin_near(("m", "z")) == A
    assert document.origin_near(("n",)) == DEFAULT


def test_list_elements_are_found_by_number() -> None:
    document = node_of({"a": [{"b": 1}]}, A)
    assert document.at("a", "0", "b").value == 1
    assert document.get("a", "1", "b") is None
    assert document.get("a", "x") is None


def test_values_stay_out_of_the_representation() -> None:
    assert "hush" not in repr(node_of({"a": ["hush"]}, A))


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: Value = 1
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(ValueError, match="nested deeper than 32 levels"):
        node_of(value, A)
