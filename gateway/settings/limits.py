"""`limits`: how much a key, a tenant or a model may use before it is told to come back later."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.principal import Limits
from gateway.settings.field_types import Flag, FrozenMap, Label, Section, Whole

# Buckets are counted in whole microseconds: a faster rate would not be exact to 1 %.
RequestsAMinute = Annotated[Whole, Field(ge=1, le=600_000)]
TokensAMinute = Annotated[Whole, Field(ge=1, le=1_000_000_000)]
ADay = Annotated[Whole, Field(ge=1, le=1_000_000_000_000)]


class LimitSettings(Section):
    """What one owner (a key, a tenant or a model) may use; what is not given is not limited."""

    requests_per_minute: RequestsAMinute | None = Field(
        default=None, description="Requests a minute, all of which may come at once. Default: any."
    )
    tokens_per_minute: TokensAMinute | None = Field(
        default=None,
        description="Tokens a minute, of prompts and answers together. Estimated when a request "
        "comes and corrected when its answer is complete. Default: any.",
    )
    requests_per_day: ADay | None = Field(
        default=None, description="Requests in any 24 hours. Default: any."
    )
    tokens_per_day: ADay | None = Field(
        default=None,
        description="Tokens in any 24 hours, of prompts and answers together. Default: any.",
    )
    concurrent: Annotated[Whole, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Requests at once, those that wait for a slot included. Default: any.",
    )
    log_only: Flag = Field(
        default=False,
        description="Count and log what these limits would have refused, and refuse nothing, "
        "default false. To try limits before they bite.",
    )

    def limits(self) -> Limits:
        """The same as the value that the rest of the gateway uses."""
        return Limits(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            requests_per_day=self.requests_per_day,
            tokens_per_day=self.tokens_per_day,
            concurrent=self.concurrent,
            log_only=self.log_only,
        )


class LimitsSettings(Section):
    """Limits of keys and tenants; those of a model stand with the model."""

    default_key: LimitSettings = Field(
        default_factory=LimitSettings,
        description="Limits of each key that has none of its own; with auth.mode none, of each "
        "client address.",
    )
    tenants: FrozenMap[Label, LimitSettings] = Field(
        default_factory=dict,
        description="Limits of all keys of a tenant together, by the tenant's name. Default: none.",
    )
    when_store_down: Literal["local", "closed"] = Field(
        default="local",
        description="While the store is down: local (default) lets each replica grant its share of "
        "every limit by itself; closed refuses (503) whatever has a limit.",
    )
