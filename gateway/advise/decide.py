"""Stay, put a queue in front, or move: a pure function of the facts and of what is wanted."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from gateway.advise.decision import Decision, Doubt, Plan, Verdict, sureness
from gateway.advise.destination import Destination, destination
from gateway.advise.doubting import doubts_about
from gateway.advise.facts import Engine, Facts, Wish
from gateway.advise.migration import changes
from gateway.advise.service import Service, serve
from gateway.advise.telling import figures_of, number, seconds

_LEAST_QUEUE_S = 10
_CLASSES = (
    "people should ask in class interactive and jobs in class batch, which takes only what nobody "
    "else wants: by the header x-sluicegate-class, or by default_class of their keys"
)
_MEASURE = "sluicegate bench --users 1,5,10,15,20,50 --json result.json, then advise from that"


def decide(facts: Facts, wish: Wish) -> Decision:
    """Decide for `wish.users`, or for as many people as the facts show. Never raises for facts."""
    current = facts.current
    users = wish.users or _most_users(current)
    service = serve(current, users, wish) if users else None
    if service is None or users is None:
        return _unknown(facts, users)
    if service.readable and service.prompt:
        return _stay(facts, service)
    if service.carried:
        return _gray(facts, service, service, wish)
    carried = [each for each in _services(facts, users, wish) if each.carried]
    same = _best([each for each in carried if each.engine.backend == current.backend])
    if same is not None:
        return _gray(facts, service, same, wish)
    return _move(facts, service, _best(carried), wish)


def _stay(facts: Facts, service: Service) -> Decision:
    engine = service.engine
    found = doubts_about(facts, service)
    plan = _plan(engine, service)
    if engine.slots is not None:
        # What was seen may have used few of them, and is no reason to take the others away.
        plan = replace(plan, slots=engine.slots)
    return Decision(
        verdict=Verdict.STAY,
        users=service.users,
        backend=engine.backend,
        headline=f"Stay on {engine.backend}: it serves {number(service.users, 'person')} at once "
        "promptly, and nothing else would be noticed.",
        figures=figures_of(service),
        carries_users=service.carries,
        plan=plan,
        sureness=sureness(found),
        doubts=found,
    )


def _gray(facts: Facts, now: Service, chosen: Service, wish: Wish) -> Decision:
    engine = chosen.engine
    carried = chosen.capacity.users(chosen.slots, _queue_s(chosen), wish.think_s)
    found = doubts_about(facts, chosen)
    figures = figures_of(now)
    if chosen is not now:
        figures += (f"started as {engine.name}:", *figures_of(chosen))
    return Decision(
        verdict=Verdict.GRAY_ZONE,
        users=chosen.users,
        backend=engine.backend,
        headline=f"Gray zone: {engine.backend} is fast enough for "
        f"{number(chosen.users, 'person')}, but not for all at once. A queue with "
        f"{number(chosen.slots, 'slot')} and {seconds(_queue_s(chosen))} to wait carries "
        f"{number(carried, 'person')}; with {seconds(wish.patience_s)} it would be "
        f"{chosen.carries}.",
        figures=figures,
        carries_users=carried,
        plan=replace(_plan(engine, chosen), notes=(_CLASSES,)),
        sureness=sureness(found),
        doubts=found,
    )


def _move(facts: Facts, now: Service, better: Service | None, wish: Wish) -> Decision:
    current = facts.current
    goal = destination(facts, now, better)
    found = (*doubts_about(facts, now), *goal.doubts)
    figures = figures_of(now)
    if better is not None:
        figures += (f"{better.engine.name}, measured beside it:", *figures_of(better))
    why = (
        f"an answer is slower than {wish.answer_tokens_per_s:g} tokens/s even when nobody waits"
        if not now.readable
        else f"they would wait up to {seconds(now.budget_s)}, and "
        f"{number(now.carries, 'person')} is what it carries within {seconds(wish.patience_s)}"
    )
    return Decision(
        verdict=Verdict.MOVE,
        users=now.users,
        backend=goal.backend,
        headline=f"Move to {goal.backend}{goal.where}: {current.backend} does not carry "
        f"{number(now.users, 'person')}; {why}.",
        figures=figures,
        carries_users=better.carries if better else None,
        plan=_move_plan(current, goal, now, better),
        changes=changes(current.backend, goal.backend, facts.uses),
        sureness=sureness(found),
        doubts=found,
    )


def _unknown(facts: Facts, users: int | None) -> Decision:
    completed = facts.current.completed
    few = f"only {number(completed, 'whole answer')} came" if completed else "no answer came"
    doubt = Doubt(f"{facts.source}: {few}, too little to fit anything to", _MEASURE, grave=True)
    return Decision(
        verdict=Verdict.UNKNOWN,
        users=users,
        backend=None,
        headline=f"No decision: {few}, and a guess would be worse than none.",
        sureness=sureness((doubt,)),
        doubts=(doubt, *(Doubt(text) for text in facts.doubts)),
    )


def _plan(engine: Engine, service: Service) -> Plan:
    return Plan(
        backend=engine.backend,
        runner=engine.runner or engine.backend,
        url=engine.url,
        model=engine.model,
        upstream_model=engine.upstream_model,
        slots=service.slots,
        queue_s=_queue_s(service),
        max_waiting=_max_waiting(service.users),
    )


def _move_plan(current: Engine, goal: Destination, now: Service, better: Service | None) -> Plan:
    return Plan(
        backend=goal.backend,
        runner=goal.runner,
        url=goal.url,
        model=current.model,
        upstream_model=goal.upstream_model,
        slots=goal.slots,
        queue_s=_queue_s(better) if better else 60,
        max_waiting=_max_waiting(now.users),
        start=goal.start,
        notes=goal.notes,
    )


def _queue_s(service: Service) -> int:
    """What is needed, rounded up to five seconds."""
    return max(_LEAST_QUEUE_S, ceil(service.budget_s / 5) * 5)


def _max_waiting(users: int) -> int:
    """Room for everybody it is meant for and as many again, in powers of two."""
    return min(1_000_000, max(16, 1 << (2 * users - 1).bit_length()))


def _services(facts: Facts, users: int, wish: Wish) -> list[Service]:
    judged = (serve(engine, users, wish) for engine in facts.others)
    return [each for each in judged if each is not None]


def _best(services: list[Service]) -> Service | None:
    """The one that makes people wait least; among equals the one that carries most."""
    return min(services, key=lambda each: (each.budget_s, -each.carries), default=None)


def _most_users(engine: Engine) -> int | None:
    seen = max((step.users for step in engine.steps if step.completed), default=0.0)
    seen = max(seen, engine.asked_users)
    return max(1, ceil(seen - 1e-9)) if seen > 0 else None
