"""The options of `sluicegate keys create`, and the key that they describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gateway.cli.moment import moment_option
from gateway.keys.record import KeyRecord
from gateway.principal import NO_LIMITS, Limits, ServiceClass

_CLASS = click.Choice([each.value for each in ServiceClass])
LIMITS = {
    "requests_per_minute": (600_000, "Most requests a minute."),
    "tokens_per_minute": (1_000_000_000, "Most tokens a minute, of prompts and answers."),
    "requests_per_day": (1_000_000_000_000, "Most requests in 24 hours."),
    "tokens_per_day": (1_000_000_000_000, "Most tokens in 24 hours."),
    "concurrent": (100_000, "Most requests at once."),
}
"""Each limit, with the largest it can be."""
_OPTIONS = (
    click.option("--tenant", help="Whom the requests are counted for.  [default: NAME]"),
    click.option(
        "--model",
        "models",
        multiple=True,
        help="A model or alias that it may use; repeat for more.  [default: all]",
    ),
    click.option(
        "--best-class",
        type=_CLASS,
        default=ServiceClass.INTERACTIVE.value,
        show_default=True,
        help="Best class it may ask for.",
    ),
    click.option(
        "--default-class",
        type=_CLASS,
        default=None,
        help="Class of a request that asks for none.  [default: default, or the best class]",
    ),
    click.option(
        "--weight",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Share beside other tenants.",
    ),
    click.option(
        "--expires",
        callback=moment_option,
        help="When it ends: 90d, 2027-01-31, 2027-01-31T18:00:00Z.  [default: never]",
    ),
    *(
        click.option(f"--{name.replace('_', '-')}", type=click.IntRange(1, most), help=text)
        for name, (most, text) in LIMITS.items()
    ),
    click.option("--log-only", is_flag=True, help="Count these limits, but refuse nothing."),
    click.option(
        "--no-limits", is_flag=True, help="No limits, not even those of limits.default_key."
    ),
    click.option(
        "--may-name-tenant",
        is_flag=True,
        help="Let it say for whom it calls, in the header x-sluicegate-tenant.",
    ),
)


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every option that describes a key."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def described_key(name: str, options: dict[str, Any]) -> KeyRecord:
    """The key that the options describe. Raises `click.UsageError` for what no key can be."""
    best = ServiceClass(options["best_class"])
    default = options["default_class"]
    if default is None:
        default = best if best is ServiceClass.BATCH else ServiceClass.DEFAULT
    try:
        return KeyRecord(
            id="",
            name=name,
            tenant=options["tenant"] or name,
            secrets=(),
            created=0.0,
            models=options["models"] or None,
            best_class=best,
            default_class=ServiceClass(default),
            weight=options["weight"],
            limits=_limits(options),
            may_name_tenant=options["may_name_tenant"],
            expires=options["expires"],
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error


def _limits(options: dict[str, Any]) -> Limits | None:
    given = {name: options[name] for name in LIMITS if options[name] is not None}
    if options["no_limits"]:
        if given or options["log_only"]:
            raise click.UsageError("--no-limits goes with no other limit.")
        return NO_LIMITS
    if not given:
        if options["log_only"]:
            raise click.UsageError("--log-only needs a limit, such as --requests-per-minute 60.")
        return None
    return Limits(**given, log_only=options["log_only"])
