from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bench.result_file import read_result
from tests.gateway.bench.made import measured, result, step, timeline
from tests.perf.engines_table import HERE, tables


def test_the_tables_show_what_was_lost_and_leave_out_what_is_void() -> None:
    good = measured(*(timeline(n) for n in range(119)), timeline(outcome="truncated"))
    dead = measured(timeline(pieces=0, outcome="failed connect"))
    text = tables(result(step("raw", 15, dead), step("gateway", 15, good)))
    assert "| raw | void (1 lost) |" in text
    assert "(1 lost) |" in text.split("| gateway |")[1]
    assert "BROKEN" in text
    assert "nan" not in text.lower().split()


@pytest.mark.skipif(not (HERE / "engines.json").exists(), reason="`make engines` has not been run")
def test_the_tables_in_the_readme_are_those_of_the_report_beside_it() -> None:
    written = Path(HERE / "README.md").read_text()
    for part in tables(read_result(HERE / "engines.json")).split("\n\n"):
        assert part in written
