"""Look at every runner of a configuration once, without starting a server or a runner."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from backends.base import Probe
from gateway.routing.connect import connect_runner
from gateway.routing.discovery import discover
from gateway.routing.plan import configured_table, found_table
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import RunnerSettings, Settings


async def look(settings: Settings) -> tuple[dict[str, Runner], RouteTable]:
    """The runners, each probed once, and the routes that follow. Takes some 3 s at most."""
    wanted: Mapping[str, RunnerSettings] = settings.runners
    if not wanted and settings.discovery.enabled is not False:
        wanted = {found.name: found.settings for found in await discover(connect_runner)}
    runners = {
        name: Runner(
            name,
            each.backend,
            pinned=each.slots,
            parallel=each.parallel,
            on_slots=lambda name, slots: None,
        )
        for name, each in wanted.items()
    }
    await asyncio.gather(*(_probe(runners[name], wanted[name]) for name in wanted))
    if settings.models:
        return runners, configured_table(settings.models, runners, settings.queue.wait_s)
    pairs = ((runners[name], wanted[name]) for name in wanted)
    return runners, found_table(pairs, settings.queue.wait_s)


async def _probe(runner: Runner, settings: RunnerSettings) -> None:
    if settings.url is None:
        runner.loading("started by the gateway when it serves")
        return
    backend = connect_runner(runner.name, settings, settings.url)
    runner.backend = backend
    try:
        runner.observe(await backend.probe())
    finally:
        await backend.aclose()


def missing_models(table: RouteTable, probes: Iterable[tuple[str, Probe | None]]) -> list[str]:
    """Targets whose runner said which models it has, and this one is not among them."""
    known = {
        name: {model for card in probe.models for model in (card.id, *card.aliases)}
        for name, probe in probes
        if probe is not None and probe.models
    }
    faults = []
    for route in table.routes:
        for target in route.targets:
            for runner in target.runners:
                models = known.get(runner.name)
                if models is not None and target.model.name not in models:
                    faults.append(
                        f"model '{route.model}': runner '{runner.name}' does not have "
                        f"'{target.model.name}'; it has {', '.join(sorted(models)[:8])}"
                    )
    return faults
