"""The living set of runners and the table made from them; applies a configuration to both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from gateway.admission import Admission
from gateway.routing.attendant import Attendant, Connect, Progress
from gateway.routing.discovery import discover
from gateway.routing.plan import configured_table, found_table
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import LaunchSettings, ModelSettings, RunnerSettings, Settings

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
        for name in list(self._attendants):
            if wanted.get(name) != self._attendants[name].settings:
                self._retire(self._attendants.pop(name))
        self._attendants = {
            name: self._attendants.get(name) or self._attend(name, runner)
            for name, runner in wanted.items()
        }
        self._models = dict(settings.models)
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
        await asyncio.gather(*(attendant.stop() for attendant in attendants), *self._retired)

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

    def _attend(self, name: str, settings: RunnerSettings) -> Attendant:
        runner = Runner(
            name,
            settings.backend,
            pinned=settings.slots,
            on_slots=self._set_slots,
        )
        attendant = Attendant(
            runner,
            settings,
            connect=self._connect,
            progress=self._progress,
            on_look=self._looked,
        )
        attendant.start()
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
            self.table = configured_table(self._models, runners)
        else:
            pairs = [(a.runner, a.settings) for a in self._attendants.values()]
            self.table = found_table(pairs)
        self._publish(self.table)

    def _retire(self, attendant: Attendant) -> None:
        task = asyncio.create_task(self._finish(attendant))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _finish(self, attendant: Attendant) -> None:
        name = attendant.runner.name
        while self._needed(attendant.runner):  # noqa: ASYNC110  # rare, and nobody waits for it
            await asyncio.sleep(0.2)
        await attendant.stop()
        if name not in self._attendants:
            self._admission.forget(name)

    def _needed(self, runner: Runner) -> bool:
        gone = runner.name not in self._attendants
        return bool(runner.in_flight or (gone and self._admission.waiting(runner.name)))
