"""Facts made by hand: engines that behave exactly as the capacity model says, or do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backends.base import BackendKind
from gateway.advise.facts import Engine, Facts, Step
from gateway.advise.hardware import Gpu, Hardware

LAPTOP = Hardware("Linux", "Some CPU", 8, 16.0, ("avx2",))
GPU_BOX = Hardware("Linux", "Some CPU", 16, 64.0, ("avx2",), (Gpu("NVIDIA", "NVIDIA L4", 23.0),))
MAC = Hardware("Darwin", "Apple M3", 8, 24.0, (), (Gpu("Apple", "Apple M3 GPU", 24.0),))

ANSWER_TOKENS = 100


def step(users: float, *, shared_s: float, own_s: float, slots: int, **over: Any) -> Step:
    """What `users` find on a runner with so many slots that takes S(n) = shared + own · n."""
    working = min(users, slots)
    service_s = shared_s + own_s * working
    per_s = working / service_s
    waited_s = max(0.0, users / per_s - service_s)
    made = Step(
        users=users,
        duration_s=600.0,
        completed=max(1, round(per_s * 600)),
        first_token_p99_s=0.1 + waited_s,
        tokens_per_s=per_s * ANSWER_TOKENS,
        answer_tokens_per_s=ANSWER_TOKENS / service_s,
        answer_s=service_s + waited_s,
    )
    # Exactly, not in whole answers: the fit must find what the runner was made of.
    made = replace(made, duration_s=made.completed / per_s)
    return replace(made, **over)


def engine(
    backend: BackendKind = "ollama",
    users: Sequence[float] = (1, 5, 10),
    *,
    shared_s: float = 3.0,
    own_s: float = 0.0,
    slots: int = 1,
    told: bool = False,
    name: str | None = None,
) -> Engine:
    """An engine asked directly. `told`: its number of slots is in the facts."""
    return Engine(
        name=name or backend,
        backend=backend,
        model="llama3",
        upstream_model="llama3:8b" if backend == "ollama" else "llama3",
        url="http://127.0.0.1:11434",
        slots=slots if told else None,
        raw=tuple(step(n, shared_s=shared_s, own_s=own_s, slots=slots) for n in users),
    )


def facts(current: Engine, *others: Engine, **over: Any) -> Facts:
    """Facts with that engine in use."""
    made = Facts(source="made.json", current=current, others=others, hardware=LAPTOP)
    return replace(made, **over)
