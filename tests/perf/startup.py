"""Time from starting the command until the gateway says that it is ready."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.perf.contender import Contender, wait_until_ready
from tests.perf.gateway_process import GatewayPlan, launch
from tests.perf.row import Row, Spread

BUDGET_S = 1.5


def startup_row(plan: GatewayPlan, *, repeats: int) -> Row:
    """Start and stop the gateway, each time in a fresh folder; the first start only fills caches.

    It is not pinned: a start is what a user waits for, on all the cores there are.
    """
    seconds = []
    for turn in range(repeats + 1):
        folder = plan.folder / str(turn)
        fresh = replace(plan, folder=folder, core=None, log=plan.folder / f"{turn}.log")
        started = time.perf_counter()
        process, port = launch(fresh)
        wait_until_ready(port, "/health/ready", process, log=fresh.log)
        seconds.append(time.perf_counter() - started)
        Contender("gateway", port, process, (process.pid,)).stop()
    spread = Spread(tuple(seconds[1:]))
    return Row(
        "startup",
        "start to ready",
        f"<= {BUDGET_S:g} s",
        f"{spread.median:.2f} s ({spread.text(2)})",
        passed=spread.median <= BUDGET_S,
        detail={"seconds": spread.rounds, "median_s": spread.median},
    )
