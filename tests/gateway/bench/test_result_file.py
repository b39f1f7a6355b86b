"""Results survive their file, and what is no result is said to be none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.bench.csv_file import encode_csv
from gateway.bench.figures import records
from gateway.bench.result_file import (
    ResultUnreadable,
    decode_result,
    encode_result,
    read_result,
    write_whole,
)
from tests.gateway.bench.made import measured, result, step, timeline

DONE = step("raw", 1, measured(timeline()), measured(timeline()))
NOTHING = step("raw", 5, measured(timeline(pieces=0, outcome="failed connect")))


def test_a_result_is_read_as_it_was_written() -> None:
    made = result(DONE, NOTHING)
    assert decode_result(encode_result(made), "a.json") == made


def test_its_json_has_a_schema_and_no_number_that_is_none() -> None:
    document = json.loads(encode_result(result(DONE, NOTHING)), parse_constant=pytest.fail)
    assert document["schema"] == 1
    assert document["steps"][1]["figures"]["ttft_s"] is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.json is not a result"),
        (b"[]", "a.json is not a result"),
        (b"\xff", "a.json is not a result"),
        (b'{"schema": 1}', "a.json is not a result"),
        (b'{"hello": 1}', "schema 0; this version reads schema 1"),
        (b'{"schema": 7}', "schema 7; this version reads schema 1"),
    ],
)
def test_what_is_no_result_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ResultUnreadable, match=said):
        decode_result(data, "a.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultUnreadable, match=r"none\.json cannot be read: No such file"):
        read_result(tmp_path / "none.json")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_whole(path, "not bytes")  # type: ignore[arg-type]  # what goes wrong half-way
    assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"new"


def test_the_table_file_has_a_line_a_step_and_empty_cells_for_unknowns() -> None:
    rows = list(csv.DictReader(io.StringIO(encode_csv(result(DONE, NOTHING)).decode())))
    assert [(row["users"], row["completed"], row["void"]) for row in rows] == [
        ("1", "2", ""),
        ("5", "0", "nothing"),
    ]
    assert rows[0]["ttft_s_p50"] == "1.0"
    assert rows[1]["ttft_s_p50"] == rows[1]["output_tokens_per_s"] == ""


def test_records_are_of_one_line_each_request() -> None:
    (record,) = records(measured(timeline(3, sent_at=1.5)))
    assert (record.user, record.sent_s, record.outcome, record.attempts) == (3, 1.5, "completed", 1)
