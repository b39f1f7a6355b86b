"""Keys as a person, or a program, reads them. Never a hash, which nobody has a use for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.cli.moment import shown_moment
from gateway.cli.table import print_table
from gateway.keys.record import KeyRecord
from gateway.principal import Limits

_UNITS = {
    "requests_per_minute": "requests/min",
    "tokens_per_minute": "tokens/min",
    "requests_per_day": "requests/day",
    "tokens_per_day": "tokens/day",
    "concurrent": "at once",
}


def key_as_json(record: KeyRecord, now: float) -> dict[str, Any]:
    """Everything about a key that is no secret."""
    return {
        "id": record.id,
        "name": record.name,
        "tenant": record.tenant,
        "state": record.state(now),
        "models": record.models,
        "best_class": record.best_class,
        "default_class": record.default_class,
        "weight": record.weight,
        "limits": None if record.limits is None else asdict(record.limits),
        "may_name_tenant": record.may_name_tenant,
        "created": shown_moment(record.created or None),
        "expires": shown_moment(record.expires),
        "revoked": shown_moment(record.revoked),
        "valid_texts": sum(record.valid_until(secret) > now for secret in record.secrets),
    }


def print_keys(records: Sequence[KeyRecord], now: float) -> None:
    """A table, one key a line."""
    print_table(
        (
            *("NAME", "ID", "STATE", "TENANT", "CLASSES", "WEIGHT"),
            *("CREATED", "EXPIRES", "LIMITS", "MODELS"),
        ),
        [
            (
                record.name,
                record.id,
                record.state(now),
                f"{record.tenant} (names others)" if record.may_name_tenant else record.tenant,
                f"{record.default_class}..{record.best_class}",
                str(record.weight),
                shown_moment(record.created or None) or "-",
                shown_moment(record.revoked or record.expires) or "never",
                _limits(record.limits),
                ", ".join(record.models) if record.models else "all",
            )
            for record in records
        ],
    )


def _limits(limits: Limits | None) -> str:
    if limits is None:
        return "default"
    named = [(getattr(limits, name), unit) for name, unit in _UNITS.items()]
    given = [f"{value} {unit}" for value, unit in named if value is not None]
    text = ", ".join(given) or "none"
    return f"{text} (log only)" if limits.log_only else text
