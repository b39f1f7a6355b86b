"""The ways to one server: TCP, a unix socket, TLS with and without a certificate of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import CannotStart
from gateway.settings import StoreSettings, StoreTlsSettings
from gateway.store import Script
from gateway.store.opening import opened
from tests.backends.transport.certificate import Certificate, make_certificate
from tests.fakes.stores import Server, free_port, server

pytestmark = pytest.mark.anyio

SET = Script("set", "return redis.call('SET', KEYS[1], cmsgpack.unpack(ARGV[1]))")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "store", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture
def tls_port(certificate: Certificate) -> Iterator[int]:
    """A server that speaks TLS there, and wants to see a certificate."""
    port = free_port()
    files = ("--tls-cert-file", certificate.cert_file, "--tls-key-file", certificate.key_file)
    authority = ("--tls-ca-cert-file", certificate.cert_file, "--tls-auth-clients", "yes")
    try:
        made = server("redis", "--tls-port", str(port), *files, *authority)
        with made:
            yield port
    except AssertionError as error:
        if "tls" in str(error).lower():
            pytest.skip("this redis-server was built without TLS")
        raise


def tls(certificate: Certificate, **more: object) -> StoreTlsSettings:
    return StoreTlsSettings.model_validate({"ca_file": certificate.cert_file, **more})


async def works(settings: StoreSettings) -> bool:
    async with opened(settings) as store:
        return bool(
            await store.call(SET, store.home, "x") == b"OK"
            and await store.redis.get(store.home) == b"x"
        )


async def test_a_unix_socket(valkey_server: Server) -> None:
    assert await works(StoreSettings(url=f"unix://{valkey_server.socket}", timeout_ms=5000))


async def test_a_numbered_database(valkey_server: Server) -> None:
    valkey_server.ask("FLUSHALL")
    assert await works(StoreSettings(url=f"{valkey_server.url}/3", timeout_ms=5000))
    assert valkey_server.ask("EXISTS", b"{sg:default}") == 0


async def test_a_database_that_does_not_exist_is_said(valkey_server: Server) -> None:
    with pytest.raises(CannotStart, match=r"DB index is out of range"):
        await works(StoreSettings(url=f"{valkey_server.url}/999", timeout_ms=5000))


async def test_tls_with_certificates_on_both_sides(tls_port: int, certificate: Certificate) -> None:
    files = {"client_cert_file": certificate.cert_file, "client_key_file": certificate.key_file}
    url = f"rediss://127.0.0.1:{tls_port}"
    settings = StoreSettings(url=url, tls=tls(certificate, **files), timeout_ms=5000)
    assert await works(settings)
    lax = StoreTlsSettings.model_validate({"verify": False, **files})
    assert await works(settings.model_copy(update={"tls": lax}))


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls_port: int, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "other", "IP:127.0.0.1")
    url = f"rediss://127.0.0.1:{tls_port}"
    with pytest.raises(CannotStart, match=r"(?i)certificate verify failed"):
        await works(StoreSettings(url=url, tls=tls(other), timeout_ms=5000))
