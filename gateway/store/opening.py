"""Open the store that is configured, for the gateway and for the command line alike."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio as redis

from gateway.errors import CannotStart
from gateway.settings import StoreSettings
from gateway.store.checks import Inspection
from gateway.store.cluster import ClusterEndpoint
from gateway.store.endpoint import Endpoint, SingleEndpoint
from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.sentinel import SentinelEndpoint
from gateway.store.shared import SharedEndpoint
from gateway.store.store import Store

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def opened(settings: StoreSettings, *, patient: bool = False) -> AsyncIterator[Store]:
    """The store, open for the length of the block.

    Raises `CannotStart` where it cannot be used as it is configured, and where it is not reached;
    with `patient` it need not be reached yet: it is down then, and up as soon as it is there. The
    embedded one must always be there.
    """
    endpoint = endpoint_of(settings)
    home = home_of(settings.domain)
    inspection = Inspection(address=settings.address, home=home, user=settings.username)
    store = Store(
        endpoint, deadline_s=settings.timeout_ms / 1000, home=home, inspect=inspection.look
    )
    try:
        await _open(store, settings, patient=patient and settings.url != "embedded")
        yield store
    finally:
        try:
            await store.aclose()
        finally:
            await endpoint.aclose()


def home_of(domain: str) -> bytes:
    """The prefix of the keys of a domain, with the hash tag that keeps them together."""
    return b"{sg:%b}" % domain.encode()


def endpoint_of(settings: StoreSettings) -> Endpoint:
    """How the configured store is reached. Raises `CannotStart`."""
    address = settings.address
    if address.kind == "embedded":
        if settings.state_dir is None:
            raise CannotStart(
                "There is no place for the embedded store: neither HOME nor XDG_STATE_HOME is set. "
                "Set store.state_dir (SLUICEGATE_STORE__STATE_DIR) to a folder."
            )
        return SharedEndpoint(settings.state_dir / "store")
    arguments = {**_credentials(settings), **(_tls(settings) if address.tls else {})}
    if address.kind == "cluster":
        return ClusterEndpoint(address.nodes, arguments, tls=address.tls)
    arguments["db"] = address.db
    if address.kind == "sentinel":
        return SentinelEndpoint(address.nodes, address.master, arguments, tls=address.tls)
    if address.kind == "unix":
        arguments["path"] = address.path
        return SingleEndpoint(redis.UnixDomainSocketConnection, arguments)
    arguments["host"], arguments["port"] = address.nodes[0]
    return SingleEndpoint(redis.SSLConnection if address.tls else redis.Connection, arguments)


async def _open(store: Store, settings: StoreSettings, *, patient: bool) -> None:
    try:
        await store.open()
    except StoreUnfit as error:
        raise CannotStart(f"The store {settings.url} cannot be used: {error}") from error
    except StoreDown as error:
        if not patient:
            raise CannotStart(
                f"The store {settings.url} is not reached: {error}. Start it, or mend store.url."
            ) from error
        logger.error("the store %s is not reached yet: %s", settings.url, error)
        store.keep_trying()


def _credentials(settings: StoreSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.username is not None:
        found["username"] = settings.username
    if settings.password is not None:
        found["password"] = settings.password.get_secret_value()
    return found


def _tls(settings: StoreSettings) -> dict[str, Any]:
    tls = settings.tls
    found: dict[str, Any] = {
        "ssl_cert_reqs": "required" if tls.verify else "none",
        "ssl_check_hostname": tls.verify,
    }
    for name, file in (
        ("ssl_ca_certs", tls.ca_file),
        ("ssl_certfile", tls.client_cert_file),
        ("ssl_keyfile", tls.client_key_file or tls.client_cert_file),
    ):
        if file is not None:
            found[name] = str(file)
    return found
