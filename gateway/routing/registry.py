"""The living set of runners and the table made from them; applies a configuration to both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from gateway.admission import Admission
from gateway.routing.attendant import Attendant, Connect, Progress
from gateway.routing.discovery import discover
from gateway.routing.identity import identity_of
from gateway.routing.plan import configured_table, found_table
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import LaunchSettings, ModelSettings, RunnerSettings, Settings, WaitSettings

logger = logging.getLogger(__name__)

BUILTIN_RUNNER = "builtin"


class Registry:
    """Holds every runner and publishes the route table whenever it changes."""

    def __init__(
        self,
        *,
        admission: Admission,
        connect: Connect,
        progress: Progress,
        publish: Callable[[RouteTable], None],
    ) -> None:
        self._admission = admission
        self._connect = connect
        self._progress = progress
        self._publish = publish
        self._attendants: dict[str, Attendant] = {}
        self._models: dict[str, ModelSettings] = {}
        self._waits = WaitSettings()
        self._retired: set[asyncio.Task[None]] = set()
        self.table = RouteTable()

    @property
    def runners(self) -> Iterable[Runner]:
        """Every runner, in the order of the configuration."""
        return [attendant.runner for attendant in self._attendants.values()]

    async def apply(self, settings: Settings) -> None:
        """Make the set of runners what the configuration says, and publish its routes.

        A runner whose settings did not change keeps its connections, its slots and its requests.
        One that is gone finishes its requests first. Nothing here can fail: a runner that cannot be
        reached or launched is simply down.
        """
        wanted = dict(settings.runners)
        if settings.discovery.enabled is True or (
            settings.discovery.enabled == "auto" and not wanted
        ):
            wanted = {**await self._discover(settings), **wanted}
        retired = {
            name: self._retire(self._attendants.pop(name))
            for name in list(self._attendants)
            if wanted.get(name) != self._attendants[name].settings
        }
        self._attendants = {
            name: self._attendants.get(name) or self._attend(name, runner, retired.get(name))
            for name, runner in wanted.items()
        }
        self._models = dict(settings.models)
        self._waits = settings.queue.wait_s
        self._rebuild()

    async def first_look(self, timeout_s: float) -> None:
        """Wait until every runner was looked at once, or the time is over."""
        waits = [asyncio.ensure_future(a.looked.wait()) for a in self._attendants.values()]
        if waits:
            _, pending = await asyncio.wait(waits, timeout=timeout_s)
            for wait in pending:
                wait.cancel()

    async def aclose(self) -> None:
        """Stop every runner that is ours and close every connection. Idempotent."""
        attendants = list(self._attendants.values())
        self._attendants = {}
        for task in self._retired:
            task.cancel()  # which ends the wait for its requests, and stops it
        stops = [attendant.stop() for attendant in attendants]
        for result in await asyncio.gather(*stops, *self._retired, return_exceptions=True):
            if isinstance(result, Exception):
                logger.error("a runner could not be stopped", exc_info=result)

    async def _discover(self, settings: Settings) -> dict[str, RunnerSettings]:
        found = await discover(self._connect)
        wanted = {each.name: each.settings for each in found}
        for each in found:
            self._progress(f"found {each.name} at {each.settings.url}")
        if settings.discovery.builtin and not any(each.probe.models for each in found):
            wanted[BUILTIN_RUNNER] = RunnerSettings(
                backend="llamacpp", launch=LaunchSettings(model="builtin", parallel=2)
            )
        return wanted

    def _attend(
        self, name: str, settings: RunnerSettings, before: asyncio.Task[None] | None
    ) -> Attendant:
        self._admission.know(name, identity_of(name, settings))
        runner = Runner(
            name,
            settings.backend,
            pinned=settings.slots,
            parallel=settings.parallel,
            on_slots=self._set_slots,
        )
        attendant = Attendant(
            runner,
            settings,
            connect=self._connect,
            progress=self._progress,
            on_look=self._looked,
        )
        # A fixed port is free again only when the process that had it has ended.
        launch = settings.launch_here
        fixed = launch is not None and launch.port is not None
        attendant.start(after=before if fixed else None)
        return attendant

    def _set_slots(self, name: str, slots: int) -> None:
        self._admission.set_slots(name, slots)
        attendant = self._attendants.get(name)
        if attendant is not None and not slots:
            attendant.look_soon()

    def _looked(self, runner: Runner) -> None:
        attendant = self._attendants.get(runner.name)
        if not self._models and attendant is not None and attendant.runner is runner:
            self._rebuild()

    def _rebuild(self) -> None:
        if self._models:
            runners = {name: a.runner for name, a in self._attendants.items()}
            self.table = configured_table(self._models, runners, self._waits)
        else:
            pairs = [(a.runner, a.settings) for a in self._attendants.values()]
            self.table = found_table(pairs, self._waits)
        self._admission.connect(
            tuple(runner.name for runner in target.runners)
            for route in self.table.routes
            for target in route.targets
        )
        self._publish(self.table)

    def _retire(self, attendant: Attendant) -> asyncio.Task[None]:
        attendant.retire()
        task = asyncio.create_task(self._finish(attendant))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)
        return task

    async def _finish(self, attendant: Attendant) -> None:
        runner = attendant.runner
        try:
            while runner.in_flight or runner.claims:  # noqa: ASYNC110  # rare; nobody waits for it
                await asyncio.sleep(0.2)
        finally:
            await attendant.stop()
        if runner.name not in self._attendants:
            self._admission.forget(runner.name)
