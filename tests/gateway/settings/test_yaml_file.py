"""Files that are no configuration, and values that are not what they look like."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.settings.fault import Origin
from gateway.settings.node import plain
from gateway.settings.yaml_file import MAX_BYTES, parse_yaml, read_yaml
from tests.gateway.settings.conftest import Folder

BROKEN = [
    (b"server:\n\tport: 1", 2, "a tab where YAML wants spaces; replace it by spaces"),
    (b"server:\n  port:\t1", 2, "a tab where YAML wants spaces"),
    (b"server: {}\nlog: \xff", 2, "the byte 0xff is not UTF-8; save the file as UTF-8"),
    ("server: {}".encode("utf-16"), 1, "is not UTF-8"),
    (b"server: {}\nlog: \x07", 2, "a control character; remove it"),
    (b"- server", 1, "not a mapping; begin with a section"),
    (b"\nserver", 2, "not a mapping"),
    (b"server: {port: 1\nlog: {}", 2, "not valid YAML: expected ',' or '}'"),
    (b"server: 'a\n", 2, "not valid YAML: found unexpected end of stream"),
    (b"server: {}\n---\nlog: {}", 2, "a second document; keep one document a file"),
    (b"server: *base", 1, "not valid YAML: found undefined alias"),
    (b"a: " + b"[" * 1000, 0, "nested deeper than 32 levels"),
    (b'a: "\\UFFFFFFFF"', 0, "an escape or number is out of range"),
    (b"#" * (MAX_BYTES + 1), 0, "larger than 1 MiB; is this the right file?"),
]


@pytest.mark.parametrize(("data", "line", "message"), BROKEN)
def test_a_file_that_is_no_yaml_is_one_fault_with_its_line(
    folder: Folder, data: bytes, line: int, message: str
) -> None:
    (fault,) = folder.faults(data)
    assert fault.origin == Origin("config/gateway.yaml", line)
    assert message in str(fault)


ODD = [
    (b"log: {}\nlog: {}", 2, "log: written twice; first in line 1; keep one of them"),
    (b"log:\n  level: info\n  level: info", 3, "log.level: written twice; first in line 2"),
    (b"? [a]\n: 1", 1, "a key that is not a word; write `name: value`"),
    (b'"": 1', 1, "a key that is not a word"),
    (b"log: {}\n<<: {}", 2, "the merge key << is not supported; repeat the keys"),
    (b"log: {level: !env LEVEL}", 1, 'log.level: the tag "!env" means nothing here; remove it'),
    (b"log: !!python/dict {}", 1, 'the tag "!!python/dict" means nothing here'),
    (b'log: {level: "\\ud800"}', 1, "half of a character"),
    (b'"\\ud800": 1', 1, "a key that is no valid text"),
    (b"log: &a {level: {b: *a}}", 1, "nested deeper than 32 levels"),
]


@pytest.mark.parametrize(("data", "line", "message"), ODD)
def test_what_has_no_place_in_a_configuration_is_a_fault_of_its_line(
    data: bytes, line: int, message: str
) -> None:
    _, faults = parse_yaml(data, "x.yaml")
    assert [str(f) for f in faults if f.origin.line == line and message in str(f)]


PLAIN = [
    ("1", 1),
    ("-3", -3),
    ("0x1f", 31),
    ("0o17", 15),
    ("010", 10),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    (".inf", float("inf")),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("yes", "yes"),
    ("off", "off"),
    ("12:30", "12:30"),
    ("1_000", "1_000"),
    ("2026-01-01", "2026-01-01"),
    ("1.2.3", "1.2.3"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("!!str 1", "1"),
    ("9" * 40, "9" * 40),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    node, faults = parse_yaml(f"a: {text}".encode(), "x.yaml")
    assert node is not None
    assert faults == []
    found = plain(node)
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_aliases_of_aliases_are_cut_off() -> None:
    lines = ["a0: &a0 [1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    _, faults = parse_yaml("\n".join(lines).encode(), "x.yaml")
    assert ["too many values" in str(fault) for fault in faults] == [True]


def test_an_alias_repeats_a_value_and_keeps_the_line_of_its_key() -> None:
    node, faults = parse_yaml(b"a: &t {idle_s: 1}\nb: *t", "x.yaml")
    assert node is not None
    assert faults == []
    assert plain(node) == {"a": {"idle_s": 1}, "b": {"idle_s": 1}}
    assert node.at("b").origin == Origin("x.yaml", 2)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"# nothing\n", b"---\n", b"null"])
def test_a_file_without_content_is_an_empty_configuration(data: bytes) -> None:
    node, faults = parse_yaml(data, "x.yaml")
    assert node is not None
    assert (plain(node), faults) == ({}, [])


def test_a_folder_in_place_of_a_file_is_a_fault(tmp_path: Path) -> None:
    node, (fault,) = read_yaml(tmp_path, "x.yaml")
    assert node is None
    assert "cannot be read: Is a directory" in str(fault)


SCRAPS = st.sampled_from(
    [b"&a ", b"*a", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b"|", b">", b"'", b'"', b"\\",
     b"%YAML ", b"---", b"...", b"\t", b"\n", b"  ", b"<<", b"!!int ", b"!!binary ", b"!<%ff>",
     b'"\\UFFFFFFFF"', b"9" * 5000, b"server", b"port", b"models", b"~", b"0x", b"#", b",", b"!"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(SCRAPS | st.binary(max_size=3)).map(b"".join)))
@example(b"%YAML " + b"9" * 5000 + b".1\n---\na: 1")
def test_whatever_the_bytes_reading_ends_in_nodes_or_faults(data: bytes) -> None:
    node, faults = parse_yaml(data, "x.yaml")
    assert node is not None or faults
    for fault in faults:
        str(fault).encode()  # printable, whatever was in the file
