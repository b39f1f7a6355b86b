"""The overhead benchmark: what the gateway costs, with nginx beside it in the same run.

`python -m tests.perf.bench` prints one table; tests/perf/README.md says how to read it. The exit
code is 0 when every budget is kept, 1 when one is not, 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import uvloop

from tests.perf.contender import BenchError, Cores, pin, start_stub
from tests.perf.load import LoadError
from tests.perf.neighbours import Neighbours
from tests.perf.nginx import HOW_TO_INSTALL, find_nginx, nginx_version, start_nginx
from tests.perf.parts import PARTS, Ground, ceiling
from tests.perf.report import machine, table, write_json, write_markdown
from tests.perf.row import Row
from tests.perf.scale import SCALES, STEP_MS

ROOT = Path(__file__).parents[2]


async def measure(ground: Ground, parts: Sequence[str]) -> list[Row]:
    """Run the parts one after the other; each starts gateways of its own and ends them."""
    top = await ceiling(ground)
    pinned = "one core each" if ground.cores.proxy is not None else "NOT PINNED"
    print(f"load and stub alone: {top}; proxies / load and stub: {pinned}\n")
    rows: list[Row] = []
    for part in parts:
        print(f"  measuring {part} …", flush=True)
        with ExitStack() as stack:
            rows += await PARTS[part](ground, stack)
    return rows


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.perf.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=sorted(SCALES), default="default")
    parser.add_argument("--full", dest="scale", action="store_const", const="full")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma-separated")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument(
        "--markdown", type=Path, nargs="?", const=Path(__file__).with_name("README.md")
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parsed = parser.parse_args(argv)
    parsed.parts = [part for part in parsed.only.split(",") if part]
    if unknown := set(parsed.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return parsed


def run(options: argparse.Namespace) -> int:
    """Measure, report, and return the exit code."""
    scale = SCALES[options.scale]
    cores = Cores.split()
    pin(0, cores.load)
    neighbours = Neighbours()
    binary = find_nginx()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stub = start_stub(cores.load, ROOT, step_ms=STEP_MS)
        stack.callback(stub.stop)
        nginx = start_nginx(binary, stub.port, folder / "nginx", cores.proxy) if binary else None
        if nginx:
            stack.callback(nginx.stop)
        ground = Ground(scale, cores, folder, options.root.resolve(), stub, nginx)
        rows = uvloop.run(measure(ground, options.parts))
    remark = neighbours.remark()
    facts = machine(nginx_version(binary) if binary else None)
    print(f"\n{table(rows)}\n")
    if remark:
        print(remark)
    if not binary:
        print(HOW_TO_INSTALL)
    write_json(options.json, rows, facts, asdict(scale))
    print(f"every round: {options.json}")
    if options.markdown:
        write_markdown(options.markdown, rows, facts)
    if any(row.passed is False for row in rows):
        return 1
    return 2 if any(row.missing for row in rows) else 0


def main() -> int:
    """Run; a fault of the harness or a wrong answer is said in one line, with exit code 2."""
    try:
        return run(arguments())
    except (BenchError, LoadError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
    except ExceptionGroup as group:  # of the workers of one load: all fail for the same reason
        if not group.subgroup(LoadError):
            raise
        print(f"bench: {group.exceptions[0]}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
