"""The gray zone: fifteen people on a runner that serves one or four of them at a time.

`python -m tests.perf.gray_zone` asks real runners and fake ones through a real gateway, counts
whole answers and what was on the runner at once, and times how fast a client's leaving is noticed.
The exit code is 0 when every promise was kept. tests/acceptance has the same in a quick form.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from backends.builtin import model_path
from backends.builtin.export_hf import export_hf
from tests.acceptance import real_runners as real
from tests.acceptance.configuration import one_model
from tests.acceptance.departure import WITHIN_S, Departed, Scene, Stage, depart, quantile
from tests.acceptance.gateway_process import gateway_process
from tests.acceptance.raw_http import connection, request
from tests.acceptance.tap import Tap
from tests.acceptance.users import Load, ask_all, complete
from tests.backends.launch.processes import eventually
from tests.fakes.ollama import FakeOllama
from tests.fakes.runner import FakeRunner
from tests.perf.neighbours import Neighbours

FASTER = 200
"""Tokens a second of the fakes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the result."""

    what: str
    measured: str
    promise: str
    kept: bool | None = None
    """None: there is no promise, it is there to be compared with."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What every measurement needs."""

    folder: Path
    model: Path
    load: Load
    trials: int


Runner = Callable[[Ground], AbstractAsyncContextManager[str]]


async def alone(ground: Ground) -> Line:
    """llama-cpp-python as its documentation starts it, without a gateway."""
    async with real.llama_cpp_python_by_default(ground.model) as url:
        outcomes = await ask_all(f"{url}/v1", "demo", ground.load)
    cut = sum(outcome.done and not outcome.finish_reason for outcome in outcomes)
    told = f"{complete(outcomes)} of {len(outcomes)} whole, {cut} cut short without an error"
    return Line("llama-cpp-python alone, its defaults", told, "")


async def launched(ground: Ground) -> Line:
    """llama-cpp-python started by the gateway."""
    python = os.environ[real.LLAMA_CPP_PYTHON]
    launch = {"python": python, "model": str(ground.model), "model_name": "demo"}
    config = {"runners": {"own": {"backend": "llama-cpp-python", "launch": launch}}}
    async with gateway_process(ground.folder / "launched", config) as it:
        await eventually(lambda: "'own' is ready" in it.text(), within_s=60)
        return await _asked(ground, "llama-cpp-python started by the gateway", it.base_url)


async def through(ground: Ground, what: str, backend: str, slots: int, runner: Runner) -> Line:
    """A runner by its url, with a tap before it that counts what is on it."""
    async with runner(ground) as url, Tap(url) as tap:
        model = "llama3:8b" if backend == "ollama" else "demo"
        config = one_model(backend, tap.url, model=model, slots=slots)
        async with gateway_process(ground.folder / what.replace(" ", "-"), config) as it:
            return await _asked(ground, what, it.base_url, slots=slots, tap=tap)


async def _asked(
    ground: Ground, what: str, base_url: str, *, slots: int = 1, tap: Tap | None = None
) -> Line:
    began = time.perf_counter()
    outcomes = await ask_all(base_url, "demo", ground.load)
    took_s = time.perf_counter() - began
    whole = complete(outcomes)
    first = [outcome.first_token_s or 0.0 for outcome in outcomes]
    told = f"{whole} of {len(outcomes)} whole"
    promise = f"{len(outcomes)} whole"
    kept = whole == len(outcomes)
    if tap is not None:
        told += f", at most {tap.max_in_flight} at once"
        promise += f", at most {slots} at once"
        kept = kept and tap.max_in_flight <= slots
    told += f"; first token p50 {quantile(first, 0.5):.2f} s, all in {took_s:.1f} s"
    return Line(what, told, promise, kept)


async def departures(ground: Ground) -> list[Line]:
    """Clients that leave, at each stage, streaming or not."""
    async with FakeRunner("vllm", model="demo", tokens_per_s=50) as runner:
        config = one_model("vllm", runner.url, model="demo")
        async with (
            gateway_process(ground.folder / "departures", config) as it,
            connection(it.port, within_s=3600) as page,
        ):

            async def waiting() -> int:
                await page.send(request("GET", "/metrics"))
                text = (await page.answer()).body.decode()
                return int(float(text.split('sluicegate_waiting{runner="box"} ')[1].split("\n")[0]))

            scene = Scene(it.port, runner, waiting)
            lines = []
            for stage in Stage:
                for stream in (True, False):
                    if stream or stage is not Stage.STREAMING:
                        left = [
                            await depart(scene, stage, stream=stream) for _ in range(ground.trials)
                        ]
                        lines.append(_left(stage, stream, left))
            return lines


def _left(stage: Stage, stream: bool, left: Sequence[Departed]) -> Line:
    took = [max(each.upstream_s, each.slot_s) for each in left]
    p50, p99 = quantile(took, 0.5) * 1000, quantile(took, 0.99) * 1000
    told = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max(took) * 1000:.1f} ms"
    what = f"client leaves {stage}, {'streaming' if stream else 'plain'} ({len(left)} times)"
    return Line(what, told, f"p99 {WITHIN_S * 1000:.0f} ms", p99 <= WITHIN_S * 1000)


@asynccontextmanager
async def _fake(kind: str, ground: Ground) -> AsyncIterator[str]:
    async with FakeRunner(kind, model="demo", tokens_per_s=FASTER) as runner:
        yield runner.url


def _llama_server(slots: int, ground: Ground) -> AbstractAsyncContextManager[str]:
    return real.llama_server(ground.model, slots=slots)


@asynccontextmanager
async def _fake_ollama(ground: Ground) -> AsyncIterator[str]:
    async with FakeOllama(parallel=1) as ollama:
        yield ollama.url


@asynccontextmanager
async def _vllm(ground: Ground) -> AsyncIterator[str]:
    async with real.vllm(export_hf(ground.folder / "hf", ground.model), slots=4) as url:
        yield url


def plan() -> list[tuple[str, Callable[[Ground], Awaitable[Line]] | None]]:
    """Every load with its name; None in place of one whose runner is not installed."""
    lcp, vllm = real.LLAMA_CPP_PYTHON in os.environ, real.VLLM in os.environ

    def by_url(
        what: str, backend: str, slots: int, runner: Runner, *, here: bool = True
    ) -> tuple[str, Callable[[Ground], Awaitable[Line]] | None]:
        return what, (
            lambda ground: through(ground, what, backend, slots, runner)
        ) if here else None

    return [
        ("llama-cpp-python alone", alone if lcp else None),
        ("llama-cpp-python started by the gateway", launched if lcp else None),
        by_url(
            "llama-cpp-python by its url",
            "llama-cpp-python",
            1,
            lambda ground: real.llama_cpp_python(ground.model),
            here=lcp,
        ),
        *(
            by_url(
                f"llama-server, {slots} slots",
                "llamacpp",
                slots,
                partial(_llama_server, slots),
                here=real.XLLAMACPP,
            )
            for slots in (1, 4)
        ),
        by_url("fake Ollama, 1 slot", "ollama", 1, _fake_ollama),
        by_url("fake vLLM, 4 slots", "vllm", 4, lambda ground: _fake("vllm", ground)),
        by_url("vLLM, 4 slots", "vllm", 4, _vllm, here=vllm),
    ]


async def measure(ground: Ground) -> list[Line]:
    """Everything, one after the other."""
    lines = []
    for what, run in plan():
        print(f"  {what} …", file=sys.stderr, flush=True)
        lines.append(await run(ground) if run else Line(what, "not installed", ""))
    print("  clients that leave …", file=sys.stderr, flush=True)
    return lines + await departures(ground)


def table(lines: Sequence[Line], *, markdown: bool = False) -> str:
    """One line each, columns aligned or divided by bars."""
    verdicts = {None: "", True: "kept", False: "BROKEN"}
    cells = [("what", "measured", "promise", "")]
    cells += [(each.what, each.measured, each.promise, verdicts[each.kept]) for each in lines]
    if markdown:
        cells.insert(1, ("---",) * 4)
        return "\n".join("| " + " | ".join(row) + " |" for row in cells)
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.perf.gray_zone", description=__doc__)
    parser.add_argument("--users", type=int, default=15)
    parser.add_argument("--requests", type=int, default=4, help="of each user")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--trials", type=int, default=200, help="clients that leave, at each stage")
    parser.add_argument("--model", type=Path, default=model_path(), help="a GGUF file")
    parser.add_argument("--json", type=Path, help="write every line there")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    options = parser.parse_args()
    load = Load(options.users, options.requests, options.max_tokens)
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory(prefix="gray-zone-") as folder:
        ground = Ground(Path(folder), options.model, load, options.trials)
        lines = asyncio.run(measure(ground))
    print(table(lines))
    if remark := neighbours.remark():
        print("\n" + remark)
    if options.json:
        document: dict[str, Any] = {"load": asdict(load), "lines": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(table(lines, markdown=True) + "\n")
    return 1 if any(line.kept is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
