"""A decision as people read it, and as programs do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.advise.decision import Decision
from gateway.advise.facts import Facts, Wish
from gateway.advise.telling import seconds
from gateway.advise.yaml_lines import yaml_lines

SCHEMA = 1
"""Version of the JSON form."""


def as_text(decision: Decision, facts: Facts, wish: Wish) -> str:
    """The whole advice, ready to be printed."""
    return "\n".join(_text(decision, facts, wish)) + "\n"


def _text(decision: Decision, facts: Facts, wish: Wish) -> Iterator[str]:
    yield decision.headline
    yield f"How sure: {decision.sureness.value}."
    yield ""
    yield f"Figures ({facts.source}; {facts.current.name}, model {facts.current.model})"
    yield from (f"  - {line}" for line in decision.figures)
    if decision.users is not None:
        yield f"  - asked for: {_asked(decision.users, wish)}"
    if facts.hardware is not None:
        yield f"  - machine: {facts.hardware}"
    lines = yaml_lines(decision)
    plan = decision.plan
    if lines and plan is not None:
        yield from ("", "Configuration (lay it over config/gateway.yaml, or put it in a profile)")
        yield from (f"  {line}" for line in lines)
        if plan.start:
            yield from ("", "Start the runner", f"  {plan.start}")
        yield from (f"  Note: {note}." for note in plan.notes)
    if decision.changes:
        yield from ("", "What changes for clients")
        yield from (f"  - {change.area}: {change.text}" for change in decision.changes)
    if decision.doubts:
        yield from ("", "Why it could be wrong")
        yield from (f"  - {doubt.text}" for doubt in decision.doubts)
    if decision.measure_next:
        yield from ("", "Measure next")
        yield from (f"  - {line}" for line in decision.measure_next)


def _asked(users: int, wish: Wish) -> str:
    pause = (
        f"who pause {seconds(wish.think_s)} between requests"
        if wish.think_s
        else "who never pause (--think says how long they read and type)"
    )
    return (
        f"{users} at once {pause}, wait {seconds(wish.patience_s)} at most, and call a first "
        f"token within {seconds(wish.first_token_s)} prompt"
    )


def as_json(decision: Decision, facts: Facts, wish: Wish) -> dict[str, Any]:
    """The whole advice for programs. Holds no NaN; what is not known is null."""
    plan = decision.plan
    lines = yaml_lines(decision)
    return {
        "schema": SCHEMA,
        "verdict": decision.verdict.value,
        "sureness": decision.sureness.value,
        "headline": decision.headline,
        "users": decision.users,
        "think_s": wish.think_s,
        "patience_s": wish.patience_s,
        "source": facts.source,
        "from_backend": facts.current.backend,
        "backend": decision.backend,
        "carries_users": decision.carries_users,
        "figures": list(decision.figures),
        "slots": plan.slots if plan else None,
        "queue_s": plan.queue_s if plan else None,
        "max_waiting": plan.max_waiting if plan else None,
        "yaml": "\n".join(lines) + "\n" if lines else None,
        "start": plan.start if plan else None,
        "notes": list(plan.notes) if plan else [],
        "changes": [{"area": change.area, "text": change.text} for change in decision.changes],
        "doubts": [{"text": doubt.text, "grave": doubt.grave} for doubt in decision.doubts],
        "measure_next": list(decision.measure_next),
        "hardware": str(facts.hardware) if facts.hardware else None,
    }
