"""How long a request may wait, by what its caller and its client library say."""

from __future__ import annotations

import pytest

from backends.base import Operation
from backends.transport import Timeouts
from gateway.admission import Ticket
from gateway.admission.base import UNKNOWN_COST_S
from gateway.admission.service_time import ServiceTimes
from gateway.exchange import Exchange
from gateway.inference.account import Account
from gateway.inference.demand import Demand
from gateway.limits.pending import FREE
from gateway.principal import ANYONE, ServiceClass
from gateway.routing.table import Route

BODY = b'{"model":"m"}'
BUDGET_S = 60.0


def ticket(**said: bytes) -> Ticket:
    exchange = Exchange(Operation.CHAT, 0.0, "req_1")
    for name, value in said.items():
        setattr(exchange, name, value)
    route = Route(
        model="m",
        targets=(),
        queue=Ticket("m", ("box",), BUDGET_S, 10),
        timeouts=Timeouts(),
        plain_timeouts=Timeouts(),
        waits=dict.fromkeys(ServiceClass, BUDGET_S),
    )
    account = Account(FREE, exchange, len(BODY))
    standing = (ANYONE, ServiceClass.DEFAULT)
    demand = Demand(exchange, BODY, *standing, route, ServiceTimes(), account, None)
    return demand.ticket(("box",), 0.0, last=True)


@pytest.mark.parametrize("count", [None, b"0"])
def test_a_first_try_may_wait_its_budget_and_no_longer(count: bytes | None) -> None:
    said = {} if count is None else {"retry_count": count}
    assert (ticket(**said).wait_s, ticket(**said).patience_s) == (BUDGET_S, 0.0)


def test_who_comes_again_may_wait_three_budgets() -> None:
    assert ticket(retry_count=b"1").patience_s == 3 * BUDGET_S


def test_nobody_waits_longer_than_its_client_library_does() -> None:
    again = ticket(retry_count=b"2", read_timeout=b"90")
    assert again.wait_s == BUDGET_S
    assert again.patience_s == 90 - 2 * UNKNOWN_COST_S


def test_nobody_waits_beyond_its_own_deadline() -> None:
    again = ticket(retry_count=b"1", timeout_ms=b"30000")
    assert again.wait_s == again.patience_s == again.lead_s == 30 - UNKNOWN_COST_S
