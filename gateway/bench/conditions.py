"""The conditions of a run, from its plan and from this machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from backends.transport import Transport
from gateway import __version__
from gateway.bench.machine import this_machine
from gateway.bench.plan import Plan, Target
from gateway.bench.prompts import Prompts
from gateway.bench.result import Conditions, TargetFacts


def conditions(
    plan: Plan, prompts: Prompts, *, command: Sequence[str], started_at: datetime
) -> Conditions:
    """Everything that somebody would have to repeat."""
    return Conditions(
        version=__version__,
        python=platform.python_version(),
        started_at=started_at.astimezone(UTC).isoformat(timespec="seconds"),
        command=tuple(command),
        machine=this_machine(),
        targets=tuple(map(target_facts, plan.targets)),
        prompts=prompts.facts,
        seed=plan.seed,
        repeats=plan.repeats,
        warmup=plan.warmup,
        duration_s=plan.bounds.duration_s,
        requests=plan.bounds.requests,
        timeout_s=plan.bounds.timeout_s,
        retry=plan.retry,
        slo=plan.slo,
    )


def target_facts(target: Target) -> TargetFacts:
    """What may be told of a target: no key, and no credentials in its url."""
    return TargetFacts(
        name=target.name,
        group=target.group,
        url=Transport(target.url).url,
        model=target.model,
        path=target.path,
        dialect=target.dialect,
        kind=target.kind,
        version=target.version,
        slots=target.slots,
        flags=target.flags,
        runners=target.runners,
    )
