"""Which peers are believed, as the middleware sees them."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from gateway.proxies import as_peers, behind

pytestmark = pytest.mark.anyio

CALLER = "203.0.113.5"


def test_only_what_is_ipv4_has_a_second_form() -> None:
    assert as_peers(["10.0.0.7", "10.0.0.0/8", "fd00::1", "fd00::/8"]) == [
        *("10.0.0.7", "::ffff:10.0.0.7/128"),
        *("10.0.0.0/8", "::ffff:10.0.0.0/104"),
        *("fd00::1", "fd00::/8"),
    ]


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "::ffff:10.0.0.7", True),
        ("10.0.0.7", "::ffff:10.0.0.8", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "::ffff:11.0.0.1", False),
        ("10.0.0.0/8", "::a00:7", False),
        ("fd00::/8", "fd00::7", True),
    ],
)
async def test_a_proxy_is_believed_by_whichever_protocol_it_comes(
    trusted: str, peer: str, believed: bool
) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    async def nothing(*_: object) -> None:
        raise AssertionError

    headers = [(b"x-forwarded-for", CALLER.encode())]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    await behind([trusted], app)(scope, nothing, nothing)  # type: ignore[arg-type]
    assert seen == [CALLER if believed else peer]
