"""`server`, `log`, `queue`, `discovery`, `metrics`: the gateway process itself."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.field_types import (
    BindHost,
    CorsOrigin,
    Flag,
    RunnerUrl,
    Seconds,
    Section,
    TrustedProxy,
    Whole,
    alternatives,
)

_AUTO_OR_FLAG = "auto, true or false"


class ServerSettings(Section):
    """Where the gateway listens and how much it accepts."""

    host: BindHost = Field(
        default="127.0.0.1",
        description="Address to listen on. Default 127.0.0.1: this machine only. 0.0.0.0 is every "
        "network the machine is on, and needs auth.mode keys.",
    )
    port: Whole = Field(
        default=8080,
        ge=0,
        le=65_535,
        description="Port to listen on, default 8080. 0 takes a free one and logs it. "
        "Older llama-server listens on 8080 too; newer on 9931.",
    )
    workers: Whole = Field(
        default=1,
        ge=1,
        le=64,
        description="Worker processes on this port, default 1. One fills a processor core at some "
        "thousand requests a second; all share the queue. Limits on connections and waiting "
        "requests are for each.",
    )
    max_body_mb: Whole = Field(
        default=32,
        ge=1,
        le=1024,
        description="Largest request body in MiB, default 32; a larger one is answered 413. "
        "Images travel as base64, a third larger than their files.",
    )
    drain_s: Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=30,
        description="Seconds that running requests get to finish after SIGTERM, default 30. "
        "Keep it below the grace period of whatever stops the process.",
    )
    header_timeout_s: Seconds = Field(
        default=10, description="Seconds a client has to send its request head, default 10."
    )
    body_timeout_s: Seconds = Field(
        default=30,
        description="Seconds a client has to send its request body, default 30. "
        "A large image over a slow line needs more.",
    )
    max_connections: Whole = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Open client connections, default 1000. Each takes a file descriptor, and a "
        "running request a second one: raise `ulimit -n` with it.",
    )
    cors_origins: tuple[CorsOrigin, ...] = Field(
        default=(),
        description="Origins of web pages that may call the gateway, default none. "
        "'*' lets every page a user has open do so.",
    )
    trusted_proxies: tuple[TrustedProxy, ...] = Field(
        default=(),
        description="Reverse proxies, by address or network, whose X-Forwarded-For is believed; "
        "default none. Without keys callers are told apart by address, and behind a proxy that is "
        "not named here all of them are one. The proxy must send that header and add to it, not "
        "pass on what callers wrote (nginx: `proxy_set_header X-Forwarded-For "
        "$proxy_add_x_forwarded_for;`).",
    )


class LogSettings(Section):
    """What the gateway writes to standard error."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="auto (default): text on a terminal, one JSON object a line otherwise.",
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is written, default info."
    )
    access: Flag = Field(
        default=True,
        description="One line a finished request, default true. Never prompts or completions.",
    )


class WaitSettings(Section):
    """How long a request of each class may wait for a slot."""

    critical: Seconds = Field(default=60, description="Seconds, default 60.")
    interactive: Seconds = Field(default=60, description="Seconds, default 60.")
    default: Seconds = Field(default=120, description="Seconds, default 120.")
    batch: Seconds = Field(
        default=3600, description="Seconds, default 3600: batch gets only what nobody else wants."
    )


class QueueSettings(Section):
    """Requests that wait for a slot."""

    wait_s: WaitSettings = Field(
        default_factory=WaitSettings,
        description="Budgets by class, each with its own default: what is predicted to wait longer "
        "is refused at once.",
    )
    max_waiting_per_flow: Whole = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Most requests of one tenant and class waiting for one set of runners, over "
        "all replicas, default 256; the next one is answered 429.",
    )

    max_waiting: Whole = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="Most requests waiting in one replica while the store is down, over all "
        "models, default 1024. The next one is refused at once. Each holds its body in memory.",
    )


class DiscoverySettings(Section):
    """What happens when nobody has said where the runners are."""

    enabled: Annotated[
        Flag | Literal["auto"],
        alternatives(_AUTO_OR_FLAG),
        Field(json_schema_extra={"errorMessage": _AUTO_OR_FLAG}),
    ] = Field(
        default="auto",
        description="Look for runners on this machine at start. auto (default): only when none "
        "is configured. true: beside those that are. The models it finds are offered only while "
        "`models` is empty.",
    )
    builtin: Flag = Field(
        default=True,
        description="Start the built-in llama.cpp runner when nothing is found, default true. "
        "Its model is tiny: it proves that the gateway works, no more.",
    )


class MetricsSettings(Section):
    """Prometheus metrics."""

    enabled: Flag = Field(
        default=True,
        description="Serve GET /metrics, default true. It names models and runners.",
    )


class TracingSettings(Section):
    """OpenTelemetry spans."""

    endpoint: RunnerUrl | None = Field(
        default=None,
        description="OTLP/HTTP collector, such as http://127.0.0.1:4318; one span a request goes "
        "there. Default: none, nothing is sent. Needs `pip install 'sluicegate[otlp]'`.",
    )
    ratio: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=1.0,
        description="Share of requests to trace, default 1. A caller's own trace is followed.",
    )
