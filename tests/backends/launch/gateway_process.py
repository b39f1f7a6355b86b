"""Stands in for a gateway that dies. A program.

    python -m tests.backends.launch.gateway_process MODEL COMMAND HOW

Starts two runners, prints their process ids in one line, and then `HOW`: `wait` waits to be
killed, `break` ends in an exception without stopping them.
"""

from __future__ import annotations

import asyncio
import sys

from backends.launch.runner import LaunchedRunner
from backends.launch.spec import LaunchSpec


async def main(model: str, command: str, how: str) -> None:
    specs = (LaunchSpec(name, "llamacpp", model=model, command=command) for name in ("one", "two"))
    runners = [LaunchedRunner(spec, grace_s=0.5) for spec in specs]
    for runner in runners:
        await runner.start()
    print(*(runner.pid for runner in runners), flush=True)
    if how == "break":
        raise SystemError("as a fault of ours would")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
