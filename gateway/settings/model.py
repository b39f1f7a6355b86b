"""`models`: public names, and what each means on each backend."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.field_types import (
    BackendKind,
    Flag,
    FrozenMap,
    ModelName,
    RunnerName,
    Seconds,
    Section,
    Text,
    Whole,
    alternatives,
)
from gateway.settings.limits import LimitSettings

_KEEP_ALIVE = 'a number of seconds, or a duration such as "10m"; -1 is for ever'


class TargetOptions(Section):
    """What Ollama is told with every request; other backends take these at their start."""

    num_ctx: Annotated[Whole, Field(ge=64, le=16_777_216)] | None = Field(
        default=None,
        description="Context window in tokens. Default: Ollama's own, which depends on its memory "
        "and cuts longer prompts silently. A change reloads the model.",
    )
    keep_alive: (
        Annotated[
            Annotated[float, Field(strict=True, allow_inf_nan=False)]
            | Annotated[str, Field(pattern=r"^-?([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")],
            alternatives(_KEEP_ALIVE),
            Field(json_schema_extra={"errorMessage": _KEEP_ALIVE}),
        ]
        | None
    ) = Field(
        default=None,
        description="How long Ollama keeps the model loaded after a request: seconds, or a "
        'duration such as "10m"; -1 is for ever, 0 unloads at once. Default: Ollama\'s own, 5m.',
    )


class TargetSettings(Section):
    """What a model means on one backend."""

    runners: tuple[RunnerName, ...] = Field(
        min_length=1,
        description="Runners that have the model, by name. Required.",
        json_schema_extra={"errorMessage": "[NAME], with at least one name of a runner"},
    )
    model: Text = Field(
        description="Name the runner knows it by; default the public name. llama-server accepts "
        "any name, vLLM only the exact one."
    )
    options: TargetOptions = Field(
        default_factory=TargetOptions,
        description="What Ollama is told with every request. Ollama only. Default: none.",
    )


class Timeouts(Section):
    """The four budgets of one request. Waiting never eats into the others."""

    queue_s: Seconds | None = Field(
        default=None,
        description="Most seconds a request waits for a slot, whatever its class. "
        "Default: what queue.wait_s gives its class.",
    )
    first_token_s: Seconds = Field(
        default=120,
        description="Seconds from dispatch to the first token, default 120. "
        "Must cover loading a cold model and reading a long prompt.",
    )
    idle_s: Seconds = Field(
        default=60, description="Seconds between two tokens of a stream, default 60."
    )
    total_s: Seconds = Field(
        default=900,
        description="Seconds from dispatch to the last token, default 900. "
        "The only budget that an answer without streaming has beside queue_s.",
    )

    @model_validator(mode="after")
    def _parts_fit_into_the_whole(self) -> Self:
        for name in ("first_token_s", "idle_s"):
            if getattr(self, name) > self.total_s:
                raise PydanticCustomError(
                    "refused",
                    "{problem}; {remedy}",
                    {
                        "field": name,
                        "problem": f"longer than total_s, which is {self.total_s:g}",
                        "remedy": f"lower {name} or raise total_s",
                    },
                )
        return self


class WaitingSettings(Section):
    """What a stream sends while its request waits for a slot."""

    after_s: Seconds | None = Field(
        default=None,
        description="Seconds of silence after which a waiting stream is answered 200 and kept "
        "alive, so that nothing in between gives it up; a later failure then comes as an error "
        "event. Default: never, the answer begins when the runner's does.",
    )
    every_s: Seconds = Field(default=10, description="Seconds between signs of life, default 10.")
    form: Literal["comment", "chunk"] = Field(
        default="comment",
        description="comment (default): an SSE comment with position and predicted wait, which "
        "client libraries skip. chunk: an empty chunk, for clients that cannot read comments.",
    )


class ModelSettings(Section):
    """One public model name."""

    aliases: tuple[ModelName, ...] = Field(
        default=(), description="More names for it, default none. Each name means one model."
    )
    backend: BackendKind = Field(
        description="The backend that answers: one of `backends`. "
        "Default: the only one, if there is only one. THE line that a profile changes."
    )
    backends: FrozenMap[BackendKind, TargetSettings] = Field(
        min_length=1,
        description="What the model means on each backend that has it. Required.",
        json_schema_extra={"errorMessage": "{BACKEND: {runners: [NAME]}}"},
    )
    fallback: tuple[BackendKind, ...] = Field(
        default=(),
        description="Backends of this model to try, in order, when the chosen one cannot be "
        "reached or would make the caller wait too long. Default: none.",
    )
    policy: Literal["least_loaded", "ordered"] = Field(
        default="least_loaded",
        description="least_loaded (default): the runner with the most room. "
        "ordered: the first of `runners` that has any.",
    )
    timeouts: Timeouts = Field(
        default_factory=Timeouts, description="Time budgets, each with its own default."
    )
    waiting: WaitingSettings = Field(
        default_factory=WaitingSettings,
        description="Signs of life for streams that wait. Default: none.",
    )
    strict: Flag = Field(
        default=False,
        description="Refuse parameters the runner would silently ignore, default false: "
        "they are reported in the header x-sluicegate-ignored.",
    )
    max_waiting: Whole = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Most requests waiting for this model, default 256.",
    )
    limits: LimitSettings = Field(
        default_factory=LimitSettings,
        description="Limits of all who use the model together. Default: none.",
    )
    description: Text | None = Field(
        default=None, description="A sentence for people who list the models. Default: none."
    )
