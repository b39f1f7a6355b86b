"""Numbers as people say them, and the figures behind a judgement as sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.advise.facts import Step

if TYPE_CHECKING:
    from gateway.advise.service import Service

_IRREGULAR = {"person": "people"}


def number(count: int, word: str) -> str:
    """`1 slot`, `4 slots`, `10 people`."""
    return f"{count} {word if count == 1 else _IRREGULAR.get(word, word + 's')}"


def seconds(value: float) -> str:
    """A time with as many digits as anyone would say."""
    if value >= 120:
        return f"{value / 60:.0f} min"
    if value >= 10:
        return f"{value:.0f} s"
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def figures_of(service: Service) -> tuple[str, ...]:
    """What was measured of an engine, and what follows from it."""
    return tuple(_figures(service))


def _figures(service: Service) -> Iterator[str]:
    capacity, slots = service.capacity, service.slots
    for label, steps in (("directly", service.engine.raw), ("queued", service.engine.queued)):
        for step in _telling(steps, service.users):
            yield f"{step.users:g} at once, {label}: {_of_step(step)}"
    yield (
        f"one request is at work for {seconds(capacity.service_s(slots))} with "
        f"{number(slots, 'slot')} in use, so {_rate(capacity.per_s(slots))} are worked off"
    )
    if service.users > slots and not service.prompt:
        yield (
            f"{service.users} people then usually wait {seconds(service.usual_wait_s)}; "
            f"a budget of 1.5 times their round, {seconds(service.budget_s)}, refuses almost nobody"
        )


def _telling(steps: tuple[Step, ...], users: int) -> Iterator[Step]:
    """The step at this number of users, or those on either side of it, and the first."""
    below = [step for step in steps if step.users < users]
    above = [step for step in steps if step.users >= users]
    chosen = (*below[:1], *below[-1:], *above[:1])
    yield from dict.fromkeys(chosen)


def _of_step(step: Step) -> str:
    parts = [f"{step.completed} whole"]
    if step.refused:
        parts.append(f"{step.refused} refused")
    if step.broken:
        parts.append(f"{step.broken} broken off or failed")
    if step.tokens_per_s is not None:
        parts.append(f"{step.tokens_per_s:.0f} tokens/s in all")
    if step.answer_tokens_per_s is not None:
        parts.append(f"{step.answer_tokens_per_s:.0f} for each")
    if step.first_token_p99_s is not None:
        parts.append(f"first token within {seconds(step.first_token_p99_s)} (p99)")
    return ", ".join(parts)


def _rate(per_s: float) -> str:
    if per_s >= 1:
        return f"{per_s:.1f} requests a second"
    return f"{per_s * 60:.1f} requests a minute"
