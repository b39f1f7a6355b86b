"""The rows that need real processes, sockets and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from tests.eval import real_burst, real_chaos, real_limits, real_outage, real_slots
from tests.eval.line import Line
from tests.eval.report import table

GATEWAY: Mapping[str, Callable[[], Awaitable[list[Line]]]] = MappingProxyType(
    {
        "1,2,3,6,16": real_slots.measure,
        "7": real_burst.measure,
        "3,14": real_chaos.measure,
        "15": real_outage.measure,
        "17": real_limits.measure,
    }
)


def judge_gateway(wanted: frozenset[str]) -> list[Line]:
    """The rows that are wanted; none: all."""
    lines: list[Line] = []
    for rows, measure in GATEWAY.items():
        if not wanted or wanted & set(rows.split(",")):
            began = time.monotonic()
            found = asyncio.run(_finish(measure))
            print(f"{table(found)}\n  ({time.monotonic() - began:.0f} s)\n", flush=True)
            lines += found
    return lines


async def _finish(measure: Callable[[], Awaitable[list[Line]]]) -> list[Line]:
    return await measure()
