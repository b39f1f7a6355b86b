"""Another process of the same configuration. A program.

    python -m tests.gateway.store.store_user STATE_DIR

Opens the embedded store in STATE_DIR, prints `owner PID` or `user` (PID is the server's), and then
waits to be ended; with a line on its standard input it writes that to the store first.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.settings import StoreSettings
from gateway.store.opening import opened
from gateway.store.shared import SharedEndpoint


async def main(state: str) -> None:
    async with opened(StoreSettings(state_dir=Path(state), timeout_ms=5000)) as store:
        endpoint = store._lines._endpoint
        assert isinstance(endpoint, SharedEndpoint)
        print(f"owner {endpoint._server.pid}" if endpoint.owner else "user", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
