"""Reverse proxies that are believed when they say who calls."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_MAPPED_BITS = 96
"""What stands before an IPv4 address that is written as an IPv6 one."""


def behind(proxies: Iterable[str], app: ASGIApp) -> ASGIApp:
    """`app`, for which a request from one of `proxies` comes from whom its X-Forwarded-For says."""
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), as_peers(proxies)))


def as_peers(proxies: Iterable[str]) -> list[str]:
    """The addresses and networks, and each IPv4 one also as a socket for `::` sees it."""
    peers = []
    for proxy in proxies:
        peers.append(proxy)
        network = ipaddress.ip_network(proxy)
        if network.version == 4:
            peers.append(f"::ffff:{network.network_address}/{_MAPPED_BITS + network.prefixlen}")
    return peers
