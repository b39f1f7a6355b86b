"""A gateway in the test's own process and event loop, on a real socket under real uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.server.admin import admin_listener, admin_socket
from gateway.server.listen import bind
from gateway.server.run import Replica
from gateway.settings.loading import load
from gateway.store.opening import opened
from tests.acceptance.configuration import Config, write_configuration
from tests.fakes.garbage import only_new_objects


@dataclass(frozen=True, slots=True)
class Here:
    """A gateway that serves."""

    gateway: Gateway
    port: int
    admin_port: int = 0
    """0 without `admin.enabled`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a user gives an OpenAI client."""
        return f"{self.url}/v1"

    def in_flight(self) -> int:
        """Slots held, over all runners; unlimited runners count as well."""
        return sum(runner.in_flight for runner in self.gateway.runners)

    def waiting(self) -> int:
        """Requests in line."""
        return sum(self.gateway.admission.waiting(runner.name) for runner in self.gateway.runners)


@asynccontextmanager
async def gateway_here(folder: Path, config: Config, **options: Any) -> AsyncIterator[Here]:
    """Serve until the block is left; a request that is still running then has `drain_s`."""
    environ = write_configuration(folder, config)
    settings = load({"SLUICEGATE_CONFIG": environ["SLUICEGATE_CONFIG"]}, cwd=folder).settings
    listener = bind("127.0.0.1", 0, may_move=False)
    listener.listen(128)
    admin = admin_socket(settings.admin)
    async with opened(settings.store) as store, contextlib.AsyncExitStack() as beside:
        gateway = Gateway(settings, store, **options)
        await beside.enter_async_context(admin_listener(gateway, settings.admin, admin))
        replica = Replica(gateway, settings, lambda: None)
        ready = asyncio.Event()

        async def on_ready() -> None:
            ready.set()

        thresholds = gc.get_threshold()
        with only_new_objects():
            running = asyncio.create_task(replica.run(listener, on_ready=on_ready))
            try:
                await asyncio.wait_for(ready.wait(), 20)
                admin_port = admin.getsockname()[1] if admin is not None else 0
                yield Here(gateway, listener.getsockname()[1], admin_port)
            finally:
                replica.stop()
                await running
                # A replica tunes the collector for a process of its own.
                gc.set_threshold(*thresholds)
