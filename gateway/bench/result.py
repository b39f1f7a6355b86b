"""What one run of the benchmark found, and under which conditions: the schema of its JSON file.

Nothing in it is NaN or infinite: a figure that there is no basis for is None. Times are in seconds,
speeds in tokens per second, and neither prompts nor answers nor keys are in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA = 1
"""Raised when a reader of the older one would misread the newer."""

Path = Literal["raw", "gateway"]
"""Whether a target is a runner itself, or a runner behind the gateway."""
DialectName = Literal["openai-chat", "openai-completions", "ollama", "anthropic"]
PromptKind = Literal["fixed", "file", "synthetic"]
VerdictName = Literal[
    "generator", "disagree", "nothing", "interrupted", "coarse", "unfair", "short"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the generator ran on; targets elsewhere are not described by it."""

    system: str
    """Operating system and its version."""
    cpu: str
    cores: int
    """Cores that this process may use."""
    cpu_features: tuple[str, ...]
    """Those that decide the speed of inference on a CPU: avx2, avx512f, amx_int8, asimd …"""
    memory_bytes: int
    gpus: tuple[str, ...]
    """Name and memory of each, as its driver tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """One place that requests were sent to."""

    name: str
    """Unique in the run; steps refer to it."""
    group: str
    """What a runner and the gateway in front of it share, so that they are shown side by side."""
    url: str
    """Without credentials."""
    model: str
    """The name that requests asked for."""
    path: Path
    dialect: DialectName
    kind: str | None
    """Backend kind of the runner (`vllm`, `llamacpp` …), where it is known."""
    version: str | None
    slots: int | None
    """Requests that the runner works on at once, where it tells, or the configuration does."""
    flags: tuple[str, ...] = ()
    """Arguments that the runner was started with, where whoever ran the benchmark started it."""
    runners: tuple[str, ...] = ()
    """Names of those that share its requests, where the configuration tells: of a model with
    several, `raw` asks one, and `gateway` all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFacts:
    """What was asked; never the text."""

    kind: PromptKind
    count: int
    """Different prompts."""
    source: str | None
    """Name of the file, where they come from one."""
    input_tokens: int | None
    """Wanted length of synthetic ones; the real one is in the figures."""
    output_tokens: int
    """`max_tokens` of each request."""
    exact_output: bool
    """Runners that know `ignore_eos` or `min_tokens` were told to write exactly that many."""
    output_spread: float = 0.0
    """Made prompts: `output_tokens` is the mean, and so great a share of it the farthest from it.

    Users whose answers are all of one length fall into step, and throughput then depends on how
    they happened to begin.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What counts as good service, in seconds per request; None is no demand."""

    ttft_s: float | None = None
    itl_s: float | None = None
    """Mean time between the tokens of one answer."""
    e2e_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Everything that somebody would have to repeat."""

    version: str
    """Of the benchmark."""
    python: str
    started_at: str
    """ISO 8601, UTC."""
    command: tuple[str, ...]
    """The command line; holds no key, because keys are given by the name of a variable."""
    machine: Machine
    targets: tuple[TargetFacts, ...]
    prompts: PromptFacts
    seed: int
    repeats: int
    warmup: int
    """Requests to each target before each of its measurements, not counted."""
    duration_s: float | None
    """Each measurement sent requests for so long."""
    requests: int | None
    """Each measurement sent so many at most."""
    timeout_s: float
    """After that, a request counted as timed out."""
    retry: bool
    """Refused requests were sent again as client libraries do it."""
    slo: Slo | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Quantiles of at least one value, each one that was measured (no interpolation)."""

    count: int
    mean: float
    min: float
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request, in seconds since its measurement began."""

    user: int
    """Number of the user, or of the arrival in an open loop."""
    sent_s: float
    outcome: str
    """`completed`, `refused 503`, `failed http 500`, `failed connect`, `truncated`, `timed out`."""
    attempts: int
    ttft_s: float | None
    e2e_s: float
    chunks: int
    input_tokens: int | None
    output_tokens: int
    queue_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted and timed in one measurement, or in all repeats of one together.

    Every request that was sent in time is in the counts and, if it completed, in the times,
    however late it ended. Throughput is what arrived while requests were being sent, in answers
    that completed: neither the start of a warm-up nor the running out at the end blurs it.
    """

    window_s: float
    """How long requests were being sent."""
    sent: int
    completed: int
    refused: dict[str, int]
    """By status: 429, 503, 529."""
    refused_with_retry_after: int
    failed: dict[str, int]
    """By kind: `http 500`, `connect`, `connection lost`, `error in stream`, `not an answer`."""
    truncated: int
    """Streams that ended without a finish reason or without their end mark."""
    timed_out: int
    retries: int
    """Attempts beyond the first of each request; 0 unless retrying was asked for."""
    output_tokens: int
    """Of completed requests, the running out included."""
    input_tokens: int | None
    counted_by_runner: float | None
    """Share of completed requests whose tokens the runner counted; in others chunks were."""
    output_tokens_per_s: float | None
    requests_per_s: float | None
    user_tokens_per_s: Distribution | None
    """Of each user: tokens of whole answers, over the time spent waiting, also in vain. In an open
    loop, of each request that completed."""
    decode_tokens_per_s: Distribution | None
    """Of each request: tokens after the first, over the time since the first."""
    ttft_s: Distribution | None
    """Request sent to first text, reasoning or tool call; a role alone is no token."""
    itl_s: Distribution | None
    """Between two pieces of text as they arrived, over all requests."""
    e2e_s: Distribution | None
    queue_s: Distribution | None
    """Wait for a slot as the gateway reported it (`x-sluicegate-queue-ms`)."""
    good_per_s: float | None
    """Completed requests a second that kept the SLO; None without one."""
    good_share: float | None
    """The same as a share of all that were sent: what was refused or failed was not good."""
    fairness: float | None
    """Jain's index of the tokens that each user got: 1 is equal, 1/users is one user alone."""
    generator_cpu: float
    """Share of one core that the generator took."""
    generator_late_s: float
    """How late its event loop ran on average: so late are the times of tokens."""
    generator_late_p99_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A reason not to take the figures of a step at their face value."""

    name: VerdictName
    """`generator`: it was the bottleneck. `disagree`: repeats differ too much. `nothing`: no
    request completed. `interrupted`: stopped early, requests in flight are left out. `coarse`: the
    generator was too late for times between tokens. `unfair`: users got very different shares.
    `short`: too few requests for a p99."""
    message: str
    """For people: what was seen."""
    voids: bool
    """The figures must not be reported as a measurement of the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One target under one load."""

    target: str
    users: int | None
    """Closed loop: so many at once, each sending its next request when it has its answer."""
    rate: float | None
    """Open loop: requests a second, arriving at random (Poisson)."""
    figures: Figures
    """All repeats together."""
    repeats: tuple[Figures, ...]
    """One by one, in the order they were made."""
    spread: float | None
    """How far two repeats' throughputs lie apart as a rule, over their mean."""
    verdicts: tuple[Verdict, ...]
    records: tuple[Record, ...] | None = None
    """Only if they were asked for."""

    @property
    def void(self) -> bool:
        """Whether its figures must not be reported as a measurement of the target."""
        return any(verdict.voids for verdict in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. `interrupted`: it was stopped early and holds the steps that it got to."""

    schema: int
    interrupted: bool
    conditions: Conditions
    steps: tuple[Step, ...]
