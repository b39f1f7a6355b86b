"""What `sluicegate bench` shall measure: urls, or a model of the configuration."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import click

from backends.base import BackendKind
from backends.transport import Tls, Transport
from gateway.bench.plan import Target
from gateway.bench.result import DialectName, Path
from gateway.cli.configuration import load_or_exit
from gateway.cli.live import look
from gateway.errors import ModelNotFound
from gateway.routing.table import Route
from gateway.settings import RunnerSettings, Settings

Via = Literal["both", "raw", "gateway"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TargetWish:
    """The options that name targets, as they were given."""

    urls: tuple[str, ...]
    models: tuple[str, ...]
    apis: tuple[DialectName, ...]
    kinds: tuple[BackendKind, ...]
    key_variables: tuple[str, ...]
    via: Via


def chosen_targets(wish: TargetWish) -> tuple[Target, ...]:
    """The targets. Raises `click.UsageError`; a wrong configuration ends the process."""
    if not wish.models:
        raise click.UsageError(
            "which model? Name it with --model; 'sluicegate models' lists the configured ones"
        )
    return _by_url(wish) if wish.urls else _configured(wish)


def _by_url(wish: TargetWish) -> tuple[Target, ...]:
    count = len(wish.urls)
    models = _for_each("--model", wish.models, count)
    apis = _for_each("--api", wish.apis or ("openai-chat",), count)
    kinds = _for_each("--kind", wish.kinds, count) if wish.kinds else (None,) * count
    keys = _for_each("--api-key-env", wish.key_variables, count) if wish.key_variables else None
    targets = []
    for position, given in enumerate(wish.urls):
        name, url = _named(given)
        targets.append(
            Target(
                name=name,
                # One model at several urls is one thing measured in several ways.
                group=models[position],
                url=url,
                model=models[position],
                dialect=apis[position],
                kind=kinds[position],
                api_key=None if keys is None else _key(keys[position]),
            )
        )
    names = [target.name for target in targets]
    if len(set(names)) < count:
        raise click.UsageError(
            "two targets have the same name; give them names of their own: --url raw=http://…"
        )
    return tuple(targets)


def _for_each(option: str, values: tuple[T, ...], count: int) -> tuple[T, ...]:
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise click.UsageError(
            f"{option} was given {len(values)} times for {count} urls: give it once for all, or "
            "once for each --url, in the same order"
        )
    return values


def _named(given: str) -> tuple[str, str]:
    """`name=http://…` or a url alone, which is named after its host and port."""
    name, equals, url = given.partition("=")
    if not equals or "://" in name:
        name, url = "", given
    url = url.rstrip("/").removesuffix("/v1")
    try:
        Transport(url)
    except ValueError as error:
        raise click.UsageError(f"--url: {error}") from error
    return name or urlsplit(url).netloc.rpartition("@")[2], url


def _key(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise click.UsageError(
            f"--api-key-env: the environment has no variable {variable}, or an empty one"
        )
    return value


def _configured(wish: TargetWish) -> tuple[Target, ...]:
    settings = load_or_exit().settings
    _, table = asyncio.run(look(settings))
    key = _key(wish.key_variables[0]) if wish.key_variables else None
    targets: list[Target] = []
    given: dict[str, str] = {}
    for model in wish.models:
        try:
            route = table.resolve(model)
        except ModelNotFound as error:
            raise click.UsageError(
                f"--model: {error}. Or name the place with --url http://host:port"
            ) from error
        if route.model in given:
            # Their targets would have the same names, and steps refer to targets by name.
            raise click.UsageError(
                f"--model: '{given[route.model]}' and '{model}' are both the model "
                f"'{route.model}'; name it once"
            )
        given[route.model] = model
        if wish.via != "gateway":
            targets.append(_raw(route, settings, alone=wish.via == "raw"))
            _say_who_is_asked(route, targets[-1], wish.via)
        if wish.via != "raw":
            targets.append(_through_gateway(route, settings, key))
    api = _for_each("--api", wish.apis or ("openai-chat",), 1)[0]
    return tuple(replace(target, dialect=api) for target in targets)


def _say_who_is_asked(route: Route, raw: Target, via: Via) -> None:
    """Of several runners only one is asked directly, so the figures do not lie side by side."""
    runners = [runner.name for runner in route.targets[0].runners]
    if len(runners) > 1:
        rest = f", '{route.model} gateway' all of them" if via == "both" else ""
        click.echo(
            f"note: '{route.model}' has {len(runners)} runners ({', '.join(runners)}): "
            f"'{raw.name}' asks that one alone{rest}",
            err=True,
        )


def _raw(route: Route, settings: Settings, *, alone: bool) -> Target:
    target = route.targets[0]
    runner = target.runners[0]
    known = settings.runners.get(runner.name)
    url = runner.url
    if known is not None and known.launch is not None and known.launch.port is not None:
        url = f"http://127.0.0.1:{known.launch.port}"
    if not url:
        way = "--via gateway" if not alone else "--url"
        raise click.UsageError(
            f"--model: runner '{runner.name}' of '{route.model}' is started by the gateway on a "
            f"free port: set its launch.port to measure it directly, or use {way}"
        )
    several = len(target.runners) > 1
    return Target(
        name=f"{route.model} raw" + (f" on {runner.name}" if several else ""),
        group=route.model,
        url=url,
        model=target.model.name,
        kind=target.backend,
        runners=(runner.name,),
        api_key=known.api_key.get_secret_value() if known and known.api_key else None,
        tls=None if known is None else _tls(known),
    )


def _through_gateway(route: Route, settings: Settings, key: str | None) -> Target:
    server = settings.server
    if server.port == 0:
        raise click.UsageError(
            "the gateway takes a free port (server.port is 0): name it with --url http://host:port"
        )
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = every.get(server.host, server.host)
    path: Path = "gateway"
    return Target(
        name=f"{route.model} gateway",
        group=route.model,
        url=f"http://{f'[{host}]' if ':' in host else host}:{server.port}",
        model=route.model,
        kind=route.targets[0].backend,
        runners=tuple(runner.name for runner in route.targets[0].runners),
        path=path,
        api_key=key,
    )


def _tls(settings: RunnerSettings) -> Tls:
    tls = settings.tls
    return Tls(
        ca_file=None if tls.ca_file is None else str(tls.ca_file),
        verify=tls.verify,
        client_cert_file=None if tls.client_cert_file is None else str(tls.client_cert_file),
        client_key_file=None if tls.client_key_file is None else str(tls.client_key_file),
    )
