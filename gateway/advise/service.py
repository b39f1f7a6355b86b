"""How well an engine would serve a number of people: promptly, by waiting, or not at all. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.advise.capacity import Capacity, fit
from gateway.advise.facts import Engine, Step, Wish


@dataclass(frozen=True, slots=True)
class Service:
    """One engine under the load that the operator has in mind."""

    engine: Engine
    capacity: Capacity
    users: int
    slots: int
    """How many requests to give it at once."""
    budget_s: float
    """The wait to allow for, so that almost nobody is refused."""
    usual_wait_s: float
    carries: int
    """People it carries if they wait as long as the operator said they would."""
    prompt: bool
    """Nobody notices a wait: measured, or plain from the number of slots."""
    readable: bool
    """An answer comes as fast as it can be read."""
    witness: Step | None
    """The measured step that says so, if there is one at this number of users or above."""

    @property
    def carried(self) -> bool:
        """Whether all of them get their answers, some after waiting."""
        return self.readable and (self.prompt or self.users <= self.carries)


def serve(engine: Engine, users: int, wish: Wish) -> Service | None:
    """Judge one engine; None when its measurements say nothing."""
    capacity = fit(engine)
    if capacity is None:
        return None
    slowest_s = _slowest_service_s(engine, wish)
    slots = capacity.best_slots(slowest_s)
    witness = _witness(engine, users)
    return Service(
        engine=engine,
        capacity=capacity,
        users=users,
        slots=slots,
        budget_s=capacity.budget_s(users, slots, wish.think_s),
        usual_wait_s=capacity.usual_wait_s(users, slots, wish.think_s),
        carries=capacity.users(slots, wish.patience_s, wish.think_s),
        prompt=_prompt(witness, wish) if witness else False,
        readable=slowest_s is None or capacity.service_s(slots) <= slowest_s,
        witness=witness,
    )


def _witness(engine: Engine, users: int) -> Step | None:
    """The lightest step that was at least as heavy as this; asked directly if there is a choice."""
    for steps in (engine.raw, engine.queued):
        for step in steps:
            if step.users >= users and step.completed:
                return step
    return None


def _prompt(step: Step, wish: Wish) -> bool:
    first, speed = step.first_token_p99_s, step.answer_tokens_per_s
    return (
        not step.broken
        and not step.refused
        and first is not None
        and first <= wish.first_token_s
        and (speed is None or speed >= wish.answer_tokens_per_s)
    )


def _slowest_service_s(engine: Engine, wish: Wish) -> float | None:
    """How long an answer may take to be readable, from its mean length; None if that is unknown."""
    lengths = [
        step.tokens_per_s / step.per_s
        for step in engine.steps
        if step.tokens_per_s is not None and step.per_s > 0
    ]
    if not lengths or wish.answer_tokens_per_s <= 0:
        return None
    return max(lengths) / wish.answer_tokens_per_s
