"""Facts from a result of `sluicegate bench`. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args
from urllib.parse import urlsplit

from backends.base import BackendKind
from gateway.advise.facts import Engine, Facts, Step
from gateway.advise.hardware import described_by
from gateway.advise.use import Use
from gateway.bench.result import Distribution, Result, TargetFacts
from gateway.bench.result import Step as BenchStep

_KINDS: tuple[BackendKind, ...] = get_args(BackendKind)
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class NothingMeasured(Exception):
    """The result holds no step that a decision could rest on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """One engine, and the targets that its steps were measured on."""

    engine: Engine
    targets: tuple[TargetFacts, ...]
    is_place: bool
    """Whether it is something to move to: one runner, not a gateway before several."""


def facts_from(
    result: Result,
    name: str,
    *,
    target: str | None = None,
    uses: frozenset[Use] = frozenset(),
) -> Facts:
    """The facts in a result; `name` is what to call it.

    `target` names the engine in use now, by default the first that was measured. Raises
    `NothingMeasured` when there is no such target or no step to go by.
    """
    conditions = result.conditions
    measured = _measured(conditions.targets, result.steps)
    if not measured:
        raise NothingMeasured(
            f"{name} holds no closed-loop step (--users) with a figure to go by; "
            "measure with 'sluicegate bench --users 1,5,10,15,20,50 --json result.json'"
        )
    current = measured[0] if target is None else _named(measured, target, name)
    own = current.targets
    local = all(urlsplit(each.url).hostname in _LOCAL for each in own)
    return Facts(
        source=f"{name}, measured {conditions.started_at}",
        current=current.engine,
        others=tuple(e.engine for e in measured if e is not current and e.is_place),
        hardware=described_by(conditions.machine) if local else None,
        uses=uses | _uses(own),
        doubts=(*_doubts(result, frozenset(each.name for each in own)), *_doubts_about(current)),
    )


def _steps(steps: Iterable[BenchStep]) -> dict[str, list[Step]]:
    """By target, in order of users. Void steps and those of an open loop are left out."""
    found: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        if step.users is not None and not step.void:
            found[step.target].append(_step(step, step.users))
    return {name: sorted(each, key=lambda step: step.users) for name, each in found.items()}


def _step(step: BenchStep, users: int) -> Step:
    figures = step.figures
    # What arrived in time: those that were sent in time and ended late are not of this window.
    per_s = figures.requests_per_s or 0.0
    return Step(
        users=float(users),
        duration_s=figures.completed / per_s if per_s > 0 else figures.window_s,
        completed=figures.completed,
        refused=sum(figures.refused.values()),
        broken=sum(figures.failed.values()) + figures.truncated + figures.timed_out,
        first_token_p99_s=figures.ttft_s.p99 if figures.ttft_s else None,
        tokens_per_s=figures.output_tokens_per_s,
        answer_tokens_per_s=_usual(figures.decode_tokens_per_s),
        answer_s=figures.e2e_s.p50 if figures.e2e_s else None,
        # How few answers there were is in the figures already.
        doubts=tuple(each.message for each in step.verdicts if each.name != "short"),
    )


def _usual(speeds: Distribution | None) -> float | None:
    return speeds.p50 if speeds else None


def _measured(targets: Iterable[TargetFacts], measured: Sequence[BenchStep]) -> list[_Measured]:
    """One for each runner, its direct and its queued steps side by side, in the order measured."""
    steps = _steps(measured)
    asked: defaultdict[str, int] = defaultdict(int)
    for step in measured:
        asked[step.target] = max(asked[step.target], step.users or 0)
    grouped: defaultdict[str, list[TargetFacts]] = defaultdict(list)
    for target in targets:
        grouped[target.group].append(target)
    found = []
    for group, members in grouped.items():
        for name, each in _apart(group, members):
            engine = _engine(name, each, steps)
            if engine is not None:
                most = max(asked[target.name] for target in each)
                engine = replace(engine, asked_users=most)
                found.append(_Measured(engine, tuple(each), _is_place(each, members)))
    return found


def _apart(group: str, targets: list[TargetFacts]) -> Iterator[tuple[str, list[TargetFacts]]]:
    """The targets of a group, by runner.

    A runner and the gateway before it are one. Any other company has no more in common than the
    model's name: several runners, or a gateway that has more runners than the one asked directly.
    """
    paths = [target.path for target in targets]
    runners = {target.runners for target in targets if target.runners}
    if len(set(paths)) == len(paths) and len(runners) < 2:
        yield group, targets
    else:
        for target in targets:
            yield target.name, [target]


def _is_place(targets: list[TargetFacts], group: list[TargetFacts]) -> bool:
    """Not so a gateway alone that stands before several runners, or nobody knows which."""
    if any(target.path == "raw" for target in targets):
        return True
    return len(targets) == len(group) and all(len(target.runners) < 2 for target in targets)


def _engine(name: str, targets: list[TargetFacts], steps: dict[str, list[Step]]) -> Engine | None:
    ways = {path: [t for t in targets if t.path == path] for path in ("raw", "gateway")}
    raw = [step for target in ways["raw"] for step in steps.get(target.name, ())]
    queued = [step for target in ways["gateway"] for step in steps.get(target.name, ())]
    if not raw and not queued:
        return None
    public = (ways["gateway"] or ways["raw"])[0]
    direct = ways["raw"][0] if ways["raw"] else None
    slots = [target.slots for target in targets if target.slots is not None]
    return Engine(
        name=name,
        backend=_kind(targets),
        model=public.model,
        upstream_model=direct.model if direct else public.model,
        url=direct.url if direct else None,
        slots=slots[0] if slots else None,
        raw=tuple(raw),
        queued=tuple(queued),
    )


def _kind(targets: Iterable[TargetFacts]) -> BackendKind:
    """The first that is told; else what the dialect tells."""
    for target in targets:
        for kind in _KINDS:
            if target.kind == kind:
                return kind
    return "ollama" if any(target.dialect == "ollama" for target in targets) else "openai"


def _named(measured: list[_Measured], wanted: str, name: str) -> _Measured:
    for each in measured:
        if wanted == each.engine.name or wanted in {target.name for target in each.targets}:
            return each
    known = ", ".join(f"'{each.engine.name}'" for each in measured)
    raise NothingMeasured(f"{name} holds no target '{wanted}' with figures; it has {known}")


def _uses(targets: Iterable[TargetFacts]) -> frozenset[Use]:
    """What the benchmark's own requests made use of: a limit always, usage when streaming."""
    native = any(target.dialect == "ollama" for target in targets)
    return frozenset({Use.TOKEN_LIMIT, Use.STREAM_USAGE} | ({Use.NATIVE_API} if native else set()))


def _doubts(result: Result, targets: frozenset[str]) -> tuple[str, ...]:
    """What is wrong with the figures of these targets, each kind of fault once."""
    own = [step for step in result.steps if step.target in targets]
    void = [step for step in own if step.void]
    doubts = ["the benchmark was interrupted; later steps are missing"] * result.interrupted
    if void:
        first = next(verdict.message for verdict in void[0].verdicts if verdict.voids)
        doubts.append(f"{len(void)} of {len(own)} steps were left out, the first because {first}")
    return tuple(doubts)


def _doubts_about(current: _Measured) -> Iterator[str]:
    """What the figures of a gateway alone do not tell."""
    for target in current.targets:
        if target.path == "gateway" and len(target.runners) > 1:
            names = ", ".join(target.runners)
            yield f"{names} shared the requests: slots and speed are those of all of them together"
        elif target.path == "gateway" and not current.is_place:
            yield f"nothing tells which runner {target.name} stands before"
