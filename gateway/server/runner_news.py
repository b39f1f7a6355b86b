"""What workers are told of the runners that their supervisor has started or found. Pure.

Everything else they read from the configuration themselves, secrets above all.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gateway.routing.registry import Registry
from gateway.settings import DiscoverySettings, RunnerSettings, Settings


class RunnerNews(Struct, frozen=True):
    """Where a runner is; without a url it is being started."""

    backend: str
    url: str | None


def news_of(registry: Registry) -> dict[str, RunnerNews]:
    """All that the supervisor looks after."""
    return {runner.name: RunnerNews(runner.kind, runner.url or None) for runner in registry.runners}


def part_of_supervisor(settings: Settings) -> Settings:
    """The configuration of a supervisor, which starts runners and discovers them, and no more."""
    launched = {name: r for name, r in settings.runners.items() if r.launch is not None}
    discovery = settings.discovery
    if discovery.enabled == "auto":
        discovery = discovery.model_copy(update={"enabled": not settings.runners})
    return settings.model_copy(update={"runners": launched, "models": {}, "discovery": discovery})


def part_of_worker(settings: Settings, news: Mapping[str, RunnerNews]) -> Settings:
    """The configuration of a worker, which has no runners of its own and looks for none."""
    runners = {
        name: RunnerSettings.model_validate({"backend": each.backend, "url": each.url})
        for name, each in news.items()
        if name not in settings.runners
    }
    for name, runner in settings.runners.items():
        if runner.launch is not None:
            url = news[name].url if name in news else None
            # With an address nothing is started, and the rest of `launch` says what it was given.
            launch = runner.launch if url is not None else None
            runners[name] = runner.model_copy(update={"launch": launch, "url": url})
        else:
            runners[name] = runner
    alone = DiscoverySettings(enabled=False)
    return settings.model_copy(update={"runners": runners, "discovery": alone})
