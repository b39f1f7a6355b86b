"""What random traces are made of: runners, flows and requests."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.oracle.request import Asked
from tests.oracle.ticket import Flow, Route

MILLISECOND, SECOND = 1_000, 1_000_000
START = 1_700_000_000 * SECOND
REPLICAS = ("R1", "R2", "R3")
ROUTES = (
    Route("r1", "p1", ("x1",)),
    Route("r2", "p1", ("x1", "x2")),
    Route("r3", "p1", ("x3", "x2")),
    Route("r4", "p2", ("y1",)),
)
RUNNERS = ("x1", "x2", "x3", "y1")
FLOWS = (
    Flow("c0", 0, 1, "critical ops"),
    Flow("i1", 1, 4, "interactive ann"),
    Flow("i2", 1, 4, "interactive bob"),
    Flow("d1", 1, 1, "default ann"),
    Flow("d2", 1, 2, "default bob"),
    Flow("b1", 2, 1, "batch ann"),
    Flow("b2", 2, 3, "batch bob"),
)
COSTS = (0, 1, 100 * MILLISECOND, SECOND, SECOND, 2 * SECOND + 1, 8 * SECOND, 90 * SECOND)


def random_request(random: Random, replica: str, number: int, refused: list[str]) -> Asked:
    """A request of that replica; one in four comes again after a refusal, if there were any."""
    budget = random.choice((SECOND, 10 * SECOND, 60 * SECOND, 60 * SECOND))
    again = bool(refused) and random.randint(0, 3) == 0
    return Asked(
        replica=replica,
        ticket=f"{replica}.{number:06d}",
        route=random.choice(ROUTES),
        flow=random.choice(FLOWS),
        cost=random.choice(COSTS),
        budget=budget,
        lead=random.choice((budget, 5 * SECOND)),
        most_in_flow=random.choice((3, 12, 256)),
        most_in_route=random.choice((5, 256, 256)),
        in_order=random.choice((False, True)),
        retry=random.choice(refused) if again else random.choice(("", f"f{number % 7}")),
        patience=random.choice((1, 2 * budget, 60 * SECOND)) if again else 0,
        books=random.randint(0, 3) > 0,
        test=random.randint(0, 5) > 0,
    )


def brought_back(random: Random, asked: Asked, now: int) -> Asked:
    """The store forgot a ticket: its replica brings it back as old as it is."""
    age = random.choice((SECOND, 7 * SECOND))
    return replace(asked, age=age, order=now - age + asked.lead, test=False)
