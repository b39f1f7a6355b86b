"""From the configuration, and from what runners say of themselves, to the table of routes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from backends.base import BackendKind, TargetModel
from backends.builtin import MODEL_ID
from backends.transport import Timeouts
from gateway.admission import Ticket
from gateway.admission.base import PolicyName
from gateway.principal import NO_LIMITS, Limits, ServiceClass
from gateway.routing.runner import Runner
from gateway.routing.table import Route, RouteTable, Target
from gateway.settings import ModelSettings, RunnerSettings, WaitingSettings, WaitSettings
from gateway.settings import Timeouts as TimeoutSettings

DEMONSTRATION = (
    "Demonstration model that comes with Sluicegate: it answers a few questions about Sluicegate, "
    "and nothing else."
)


def configured_table(
    models: Mapping[str, ModelSettings], runners: Mapping[str, Runner], waits: WaitSettings
) -> RouteTable:
    """The routes that the configuration names."""
    return RouteTable(_configured(name, model, runners, waits) for name, model in models.items())


def _configured(
    name: str, settings: ModelSettings, runners: Mapping[str, Runner], waits: WaitSettings
) -> Route:
    kinds: list[BackendKind] = [settings.backend, *settings.fallback]
    targets = []
    for kind in dict.fromkeys(kinds):
        target = settings.backends[kind]
        targets.append(
            Target(
                backend=kind,
                runners=tuple(runners[runner] for runner in target.runners),
                model=TargetModel(target.model, target.options.model_dump(exclude_none=True)),
            )
        )
    return _route(
        name,
        tuple(targets),
        budget=settings.timeouts,
        waits=waits,
        waiting=settings.waiting if settings.waiting.after_s is not None else None,
        limits=settings.limits.limits(),
        aliases=settings.aliases,
        policy=settings.policy,
        max_waiting=settings.max_waiting,
        strict=settings.strict,
        description=settings.description,
    )


def found_table(
    runners: Iterable[tuple[Runner, RunnerSettings]], waits: WaitSettings
) -> RouteTable:
    """The models that runners offer, under their own names.

    The same name on several runners of one backend is one model with several runners; on another
    backend, the first one keeps the name.
    """
    offers: dict[str, list[Runner]] = {}
    aliases: dict[str, str] = {}
    for runner, settings in runners:
        for model, more in _offered(runner, settings):
            others = offers.setdefault(model, [])
            if not others or others[0].kind == runner.kind:
                others.append(runner)
            for alias in more:
                aliases.setdefault(alias, model)
    routes = []
    for model, by in offers.items():
        target = Target(by[0].kind, tuple(by), TargetModel(model))
        more = tuple(a for a, of in aliases.items() if of == model and a not in offers)
        routes.append(_route(model, (target,), budget=TimeoutSettings(), waits=waits, aliases=more))
    return RouteTable(routes)


def _offered(runner: Runner, settings: RunnerSettings) -> Iterable[tuple[str, tuple[str, ...]]]:
    if runner.probe is None or runner.probe.models is None:
        # Ollama is started without a model; "builtin" is only the default of the setting.
        launch = settings.launch if runner.kind != "ollama" else None
        if launch is not None and (launch.model_name or launch.model == "builtin"):
            yield launch.model_name or MODEL_ID, ()
        elif runner.probe is not None:
            # It cannot be asked without disturbing it, and answers to any name.
            yield runner.name, ()
        return
    for card in runner.probe.models:
        more = list(card.aliases)
        if runner.kind == "ollama" and card.id.endswith(":latest"):
            more.append(card.id.removesuffix(":latest"))
        yield card.id, tuple(more)


def _route(
    name: str,
    targets: tuple[Target, ...],
    *,
    budget: TimeoutSettings,
    waits: WaitSettings,
    waiting: WaitingSettings | None = None,
    limits: Limits = NO_LIMITS,
    aliases: tuple[str, ...],
    policy: PolicyName = "least_loaded",
    max_waiting: int = 256,
    strict: bool = False,
    description: str | None = None,
) -> Route:
    if description is None and name == MODEL_ID:
        description = DEMONSTRATION
    most_s = float("inf") if budget.queue_s is None else budget.queue_s
    by_class = {each: min(most_s, getattr(waits, each.value)) for each in ServiceClass}
    return Route(
        model=name,
        targets=targets,
        queue=Ticket(
            model=name,
            candidates=tuple(runner.name for runner in targets[0].runners),
            wait_s=by_class[ServiceClass.DEFAULT],
            max_waiting=max_waiting,
            policy=policy,
        ),
        timeouts=Timeouts(
            first_byte_s=budget.first_token_s, idle_s=budget.idle_s, total_s=budget.total_s
        ),
        plain_timeouts=Timeouts(
            first_byte_s=budget.total_s, idle_s=budget.total_s, total_s=budget.total_s
        ),
        waits=MappingProxyType(by_class),
        waiting=waiting,
        limits=limits,
        aliases=aliases,
        strict=strict,
        description=description,
    )
