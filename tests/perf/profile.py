"""Where the gateway's time goes: one load under cProfile, the functions that took most of it.

`python -m tests.perf.profile calls` (or `streams`). cProfile makes every function dearer, small
ones most, so read the order and not the amounts.
"""

from __future__ import annotations

import argparse
import pstats
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tests.perf.contender import Cores, pin, start_stub
from tests.perf.cpu import costs
from tests.perf.gateway_process import GatewayPlan, start_gateway
from tests.perf.scale import STEP_MS

ROOT = Path(__file__).parents[2]


def profile(kind: str, root: Path, *, slots: str, keys: bool, shown: int) -> None:
    """Run the load and print the functions, dearest first, without those that they call."""
    cores = Cores.split()
    pin(0, cores.load)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="profile-")))
        stub = start_stub(cores.load, ROOT, step_ms=STEP_MS)
        stack.callback(stub.stop)
        plan = GatewayPlan(
            root, stub.port, folder / "gateway", cores.proxy, cores.load, slots, keys
        )
        written = folder / "profile"
        gateway = start_gateway(plan, "gateway", profile=written)
        try:
            streamed = kind == "streams"
            calls = 96 if streamed else 10_000
            uvloop.run(costs([gateway], rounds=1, calls=calls, streamed=streamed))
        finally:
            gateway.process.send_signal(signal.SIGINT)  # SIGTERM would end it before it writes
            gateway.process.wait(20)
        pstats.Stats(str(written)).sort_stats("tottime").print_stats(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.perf.profile", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("calls", "streams"))
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--slots", default="unlimited")
    parser.add_argument("--keys", action="store_true", help="with a key that has limits")
    parser.add_argument("--shown", type=int, default=40)
    options = parser.parse_args()
    root = options.root.resolve()
    profile(options.kind, root, slots=options.slots, keys=options.keys, shown=options.shown)
