"""What `sluicegate bench engines` says of what it found, and with which exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.bench.engines.engine import Missing
from gateway.bench.engines.sweep import Comparison
from gateway.bench.result import Result, Step
from gateway.cli.bench_engines_report import report
from tests.gateway.bench.made import measured, result, step, timeline

NOWHERE: dict[str, Path | None] = dict.fromkeys(("json_file", "csv_file", "html_file", "svg_file"))


def reported(
    found: Result | None,
    *,
    interrupted: bool = False,
    missing: Sequence[Missing] = (),
    **files: Path,
) -> int:
    comparison = Comparison(found, (), interrupted)
    return report(comparison, missing, NOWHERE | files, busy="", queue_s=60.0)


NO_ANSWER = result(step("raw", 2, measured()))


@pytest.mark.parametrize("found", [None, NO_ANSWER], ids=["no-engine", "no-answer"])
def test_interrupted_before_the_first_answer_it_says_so_and_ends_with_130(
    found: Result | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.json"
    assert reported(found, interrupted=True, json_file=file) == 130
    told = capsys.readouterr().err
    assert "interrupted before the first answer; nothing is written" in told
    assert "no engine could be measured" not in told
    assert not file.exists()


@pytest.mark.parametrize("found", [None, NO_ANSWER], ids=["no-engine", "no-answer"])
def test_without_any_answer_it_names_what_is_missing_and_ends_with_1(
    found: Result | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reported(found, missing=[Missing("vLLM", "pip install it")]) == 1
    told = capsys.readouterr().err
    assert "vLLM: pip install it" in told
    assert "no engine could be measured" in told


def test_interrupted_after_an_answer_it_writes_it_and_ends_with_130(tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    found = result(step("raw", 2, measured(timeline())))
    assert reported(found, interrupted=True, json_file=file) == 130
    assert file.exists()


def crowd(name: str, *, cpu_share: float = 0.1) -> Step:
    return step(name, 15, measured(*(timeline(n) for n in range(120)), cpu_share=cpu_share))


def test_more_repeats_are_the_remedy_where_they_are_too_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported(result(crowd("raw"), crowd("gateway")))
    told = capsys.readouterr().out
    assert "cannot be told" in told
    assert "(--repeats 8)" in told


def test_more_repeats_are_no_remedy_for_a_generator_that_did_not_keep_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported(result(crowd("raw"), crowd("gateway", cpu_share=0.99)))
    told = capsys.readouterr().out
    assert "cannot be told" in told
    assert "give the generator a core" in told
    assert "--repeats" not in told


def test_a_picture_of_nothing_is_not_written_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.svg"
    reported(result(crowd("raw", cpu_share=0.99)), svg_file=file)
    assert f"not written: {file}: every step is void" in capsys.readouterr().err
    assert not file.exists()
