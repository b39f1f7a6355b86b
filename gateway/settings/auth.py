"""`auth`: who may call."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.field_types import (
    Flag,
    Label,
    ModelName,
    Seconds,
    Section,
    Whole,
    refusal,
)
from gateway.settings.limits import LimitSettings

# What `printf %s "$KEY" | sha256sum` and `echo "$KEY" | sha256sum` print while KEY is unset.
# Accepting one of them would accept the empty key.
_HASHES_OF_NOTHING = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
    }
)


def _hash_of_something(digest: str) -> str:
    if digest.lower() in _HASHES_OF_NOTHING:
        raise refusal("the hash of an empty key", "hash the key itself (was the variable set?)")
    return digest.lower()


KeyHash = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$"),
    AfterValidator(_hash_of_something),
    Field(
        json_schema_extra={
            "errorMessage": 'the 64 hex digits that `printf %s "$KEY" | sha256sum` prints',
            "writeOnly": True,  # people put the key itself here, and faults show values
        }
    ),
]


def moment_s(text: str) -> float:
    """Unix time of a date or date and time in ISO 8601; UTC where it does not say.

    Raises PydanticCustomError for what is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refusal("not a date", f"give {_MOMENT}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(text: str) -> str:
    moment_s(text)
    return text


_MOMENT = "a date such as 2027-01-31, or with a time: 2027-01-31T18:00:00Z"
Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"errorMessage": _MOMENT})]
ClassName: TypeAlias = Literal["critical", "interactive", "default", "batch"]


class AuthKey(Section):
    """One key that clients send, kept as its hash."""

    name: Label = Field(description="Names the key in logs and metrics. Required, unique.")
    sha256: KeyHash = Field(
        description="SHA-256 of the key, in hex. Required. Use a long random key "
        "(`openssl rand -hex 32`): a guessable one can be found from its hash."
    )
    tenant: Label = Field(
        default_factory=lambda key: str(key["name"]),
        description="Whom the key's requests are counted for; default the key's name. "
        "Keys of one tenant share one place in the queue.",
    )
    models: Annotated[tuple[ModelName, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Models, or aliases, that the key may use; the others do not exist for it. "
        "Default: all.",
    )
    limits: LimitSettings | None = Field(
        default=None,
        description="How much the key may use. Default: limits.default_key; if given, "
        "nothing of that holds.",
    )
    best_class: ClassName = Field(
        default="interactive",
        description="Best class that a request of the key may ask for, default interactive: "
        "critical is before everything else, interactive has four times the share of default, "
        "batch gets what nobody else wants.",
    )
    default_class: ClassName = Field(
        default="default",
        description="Class of a request that asks for none, default default.",
    )
    weight: Whole = Field(
        default=1,
        ge=1,
        le=1000,
        description="Share of the key's tenant beside others, default 1. "
        "Of several keys of a tenant, the one that calls counts.",
    )
    expires: Moment | None = Field(
        default=None,
        description="When the key ends, such as 2027-01-31 (its first moment, UTC) or "
        "2027-01-31T18:00:00Z. Default: never.",
    )
    may_name_tenant: Flag = Field(
        default=False,
        description="Let the key say for whom it calls, in the header x-sluicegate-tenant, "
        "default false. For a front end that serves many people, who then get a place in the "
        "queue each.",
    )

    @model_validator(mode="after")
    def _gets_by_default_what_it_may_have(self) -> Self:
        order = get_args(ClassName)
        if order.index(self.default_class) < order.index(self.best_class):
            raise PydanticCustomError(
                "refused",
                "{problem}; {remedy}",
                {
                    "field": "default_class",
                    "problem": f"better than best_class, which is {self.best_class}",
                    "remedy": "raise best_class or lower default_class",
                },
            )
        return self


class AuthSettings(Section):
    """Whether clients need a key."""

    mode: Literal["none", "keys"] = Field(
        default="none",
        description="none (default): whoever reaches the port may call. keys: one is needed, as "
        "`Authorization: Bearer …` or `x-api-key`; it is made with `sluicegate keys create NAME`, "
        "or listed here.",
    )
    keys: tuple[AuthKey, ...] = Field(
        default=(),
        description="Keys that are accepted beside those of the store, default none. A profile's "
        "or the environment's list replaces this one, it does not add to it.",
    )
    cache_max_age_s: Seconds = Field(
        default=3600,
        description="Seconds that keys of the store go on working while the store is down, "
        "default 3600. One that is revoked meanwhile works as long.",
    )
    allow_none_beyond_loopback: Flag = Field(
        default=False,
        description="Let mode none listen beyond this machine, default false. "
        "Only where something in front of the gateway checks who calls.",
    )
    allow_none_in_prod: Flag = Field(
        default=False,
        description="Let profile prod run with mode none, default false. As above.",
    )
