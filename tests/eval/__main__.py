"""`python -m tests.eval` measures every row and judges it; exit code 1: a target is missed.

`--only policy` stays in virtual time, `--rows 5,9` picks rows, `--scale smoke` only shows that it
runs, `--report` writes tests/eval/REPORT.md. Everything is in build/eval.json afterwards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.eval import backlog, burst, closed_loop, flood, open_loop
from tests.eval.fan_out import FanOut, Runs
from tests.eval.line import Line
from tests.eval.report import facts, table, write_json, write_markdown
from tests.eval.scale import SCALES, Scale

ROOT = Path(__file__).parents[2]
POLICY: Mapping[str, Callable[[Runs, Scale], list[Line]]] = MappingProxyType(
    {
        "5,6,8": open_loop.measure,
        "6b": closed_loop.measure,
        "7": burst.measure,
        "9": backlog.measure,
        "10": flood.measure,
    }
)


def judge_policy(wanted: frozenset[str], scale: Scale) -> list[Line]:
    """The rows that ask for virtual time; none wanted: all."""
    lines: list[Line] = []
    with FanOut() as runs:
        for rows, measure in POLICY.items():
            if not wanted or wanted & set(rows.split(",")):
                began = time.monotonic()
                found = measure(runs, scale)
                print(f"{table(found)}\n  ({time.monotonic() - began:.0f} s)\n", flush=True)
                lines += found
    return lines


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, and say whether every target was met."""
    parser = argparse.ArgumentParser(prog="tests.eval", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", default="", help="such as 5,6b; default: all")
    parser.add_argument("--only", choices=("policy", "gateway"))
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "eval.json")
    parser.add_argument("--report", action="store_true", help="write tests/eval/REPORT.md")
    given = parser.parse_args(arguments)
    wanted, scale = frozenset(filter(None, given.rows.split(","))), SCALES[given.scale]
    lines: list[Line] = []
    if given.only != "gateway":
        lines += judge_policy(wanted, scale)
    if given.only != "policy":
        from tests.eval.gateway import judge_gateway

        lines += judge_gateway(wanted)
    about = facts(" ".join(["python -m tests.eval", *arguments]), scale)
    write_json(given.json, lines, about)
    if given.report:
        write_markdown(Path(__file__).with_name("REPORT.md"), lines, about)
    missed = [line for line in lines if line.passed is False]
    for line in missed:
        print(f"MISSED row {line.row}: {line.what}: {line.measured}, target {line.target}")
    return 1 if missed or not lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
