"""Every reason not to rely on a decision, found in the facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.advise.decision import Doubt
from gateway.advise.facts import Facts
from gateway.advise.service import Service
from gateway.advise.telling import number

_FEW, _TOO_FEW = 30, 10
_POOR_FIT, _BAD_FIT = 0.15, 0.4
_FAR = 2.0
_LONGER = "measure longer: sluicegate bench with --duration 60"


def doubts_about(facts: Facts, service: Service) -> tuple[Doubt, ...]:
    """What speaks against the judgement of one engine; nothing when the figures are good."""
    return tuple(_doubts(facts, service))


def _doubts(facts: Facts, service: Service) -> Iterator[Doubt]:
    yield from (Doubt(text, _LONGER) for text in facts.doubts)
    engine, users = service.engine, service.users
    most = max(step.users for step in engine.steps)
    if users > most:
        measure = f"sluicegate bench --users {users}"
        text = f"nothing was measured above {most:g} users; the rest follows from the fit"
        yield Doubt(text, measure, grave=users > _FAR * most)
    witness = service.witness
    answers = witness.completed if witness else engine.completed
    if answers < _FEW:
        text = f"the figures rest on {number(answers, 'answer')} only"
        yield Doubt(text, _LONGER, grave=answers < _TOO_FEW)
    for text in witness.doubts if witness else ():
        yield Doubt(text, _LONGER)
    error = service.capacity.error
    if error > _POOR_FIT:
        text = f"the runner does not behave as the model says: {error:.0%} off on average"
        measure = "repeat it on a quiet machine: sluicegate bench --repeats 3"
        yield Doubt(text, measure, grave=error > _BAD_FIT)
    if service.capacity.points == 1 and not service.prompt:
        text = "one number of users was measured, so how speed falls with load is not known"
        yield Doubt(text, "sluicegate bench --users 1,5,10,15,20,50")
