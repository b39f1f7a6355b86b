"""Reaching the runner at all: names, families, TLS, and what is said when it fails."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from pathlib import Path

import pytest

from backends.errors import BackendError, ConnectFailed, ConnectionLost
from backends.transport import Tls
from tests.backends.transport.certificate import Certificate, make_certificate
from tests.backends.transport.client import client, eventually, fetch
from tests.fakes.bad_peer import BadPeer, Wire, answer, answers, chunked, silence

pytestmark = pytest.mark.anyio


async def why(url: str, tls: Tls | None = None) -> BackendError:
    """The error of one request, which must leave nothing open."""
    async with client(url, tls=tls) as transport:
        with pytest.raises(BackendError) as failed:
            await fetch(transport)
        await eventually(lambda: transport.open_connections == 0)
        return failed.value


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nobody_listens(host: str) -> None:
    url = f"http://{host}:{unused_port()}"
    error = await why(url)
    assert isinstance(error, ConnectFailed)
    assert not error.reached
    assert str(error).startswith(f"cannot connect to {url}: connection refused; is the runner ")


async def test_an_unknown_host() -> None:
    error = await why("http://no-such-host.invalid:1")
    assert isinstance(error, ConnectFailed)
    assert "http://no-such-host.invalid:1: host name not found; check the host" in str(error)


async def test_credentials_in_the_url_are_used_but_never_told() -> None:
    async with BadPeer(answers(answer())) as peer:
        url = peer.url.replace("://", "://me:secret@")
        async with client(url) as transport:
            await fetch(transport)
            assert transport.url == peer.url
            assert b"authorization: Basic bWU6c2VjcmV0\r\n" in peer.requests[0].head
        await peer.stop()
        error = await why(url)
    assert peer.url in str(error)
    assert "secret" not in str(error)


async def test_localhost_is_found_whatever_family_the_runner_listens_on() -> None:
    async with BadPeer(answers(answer(b"x"))) as peer:
        async with client(f"http://localhost:{peer.port}") as transport:
            assert await fetch(transport) == b"x"
        assert f"host: localhost:{peer.port}".encode() in peer.requests[0].head


async def test_an_ipv6_literal() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(2)
        writer.write(answer(b"six"))
        await reader.read()
        writer.close()

    heads: list[bytes] = []
    try:
        server = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with client(f"http://[::1]:{port}") as transport:
            assert await fetch(transport) == b"six"
    assert f"host: [::1]:{port}".encode() in heads[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_trusted_certificate(certificate: Certificate, host: str) -> None:
    script = answers(answer(b"x" * 100_000), chunked(b"y"))
    async with BadPeer(script, tls=certificate.server_context()) as peer:
        tls = Tls(ca_file=certificate.cert_file)
        async with client(f"https://{host}:{peer.port}", tls=tls) as transport:
            assert await fetch(transport, bytes(10**6)) == b"x" * 100_000
            assert await fetch(transport) == b"y"
            assert len(peer.wires) == 1
            await transport.aclose()
            await eventually(lambda: peer.open_connections == 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_remedy(
    certificate: Certificate, host: str
) -> None:
    async with BadPeer(silence, tls=certificate.server_context()) as peer:
        url = f"https://{host}:{peer.port}"
        error = await why(url)
    assert isinstance(error, ConnectFailed)
    assert str(error).startswith(f"cannot connect to {url}: its certificate is not trusted: ")
    assert "set tls.ca_file" in str(error)


async def test_a_certificate_for_another_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "other", "DNS:other.example")
    async with BadPeer(silence, tls=other.server_context()) as peer:
        error = await why(peer.url, Tls(ca_file=other.cert_file))
    assert isinstance(error, ConnectFailed)
    assert "use the name that is in the certificate" in str(error)


async def test_verification_can_be_switched_off(certificate: Certificate) -> None:
    async with (
        BadPeer(answers(answer(b"x")), tls=certificate.server_context()) as peer,
        client(peer.url, tls=Tls(verify=False)) as transport,
    ):
        assert await fetch(transport) == b"x"


async def test_a_runner_that_asks_for_a_certificate_gets_ours(certificate: Certificate) -> None:
    context = certificate.server_context(client_ca=certificate.cert_file)
    async with BadPeer(answers(answer(b"x")), tls=context) as peer:
        ours = Tls(
            ca_file=certificate.cert_file,
            client_cert_file=certificate.cert_file,
            client_key_file=certificate.key_file,
        )
        async with client(peer.url, tls=ours) as transport:
            assert await fetch(transport) == b"x"


async def test_a_runner_that_asks_for_a_certificate_we_do_not_have(
    certificate: Certificate,
) -> None:
    context = certificate.server_context(client_ca=certificate.cert_file)
    async with BadPeer(answers(answer(b"x")), tls=context) as peer:
        error = await why(peer.url, Tls(ca_file=certificate.cert_file))
    assert isinstance(error, ConnectFailed | ConnectionLost)


async def test_a_runner_that_does_not_speak_tls() -> None:
    async def plain(wire: Wire) -> None:
        await wire.send(answer(b"plain text"))
        await wire.gone()

    async with BadPeer(plain) as peer:
        url = peer.url.replace("http:", "https:")
        error = await why(url)
    assert isinstance(error, ConnectFailed)
    assert f"cannot connect to {url}: TLS failed: " in str(error)
    assert "should the url begin with http://?" in str(error)


async def test_a_runner_that_hangs_up_during_the_handshake() -> None:
    async def hang_up(wire: Wire) -> None:
        wire.reset()

    async with BadPeer(hang_up) as peer:
        error = await why(peer.url.replace("http:", "https:"))
    assert isinstance(error, ConnectFailed)


@pytest.mark.parametrize(
    "tls",
    [Tls(ca_file="/nowhere/ca.pem"), Tls(client_cert_file="/nowhere/cert.pem")],
    ids=["ca", "client-certificate"],
)
async def test_a_certificate_file_that_is_missing(tls: Tls) -> None:
    error = await why(f"https://127.0.0.1:{unused_port()}", tls)
    assert isinstance(error, ConnectFailed)
    assert re.search(r"tls\.c\w+_file '/nowhere/.* cannot be used: .*No such file", str(error))


async def test_a_certificate_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    error = await why(f"https://127.0.0.1:{unused_port()}", Tls(ca_file=str(tmp_path / "ca.pem")))
    assert isinstance(error, ConnectFailed)
    assert f"tls.ca_file '{tmp_path}/ca.pem' cannot be used: " in str(error)


async def test_many_first_requests_at_once_build_one_tls_context(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def counted(*args: object, **kwargs: object) -> ssl.SSLContext:
        built.append(args)
        return original(*args, **kwargs)  # type: ignore[arg-type]

    server_context = certificate.server_context()
    original = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", counted)
    async with (
        BadPeer(answers(answer(b"x")), tls=server_context) as peer,
        client(peer.url, tls=Tls(ca_file=certificate.cert_file)) as transport,
    ):
        assert await asyncio.gather(*(fetch(transport) for _ in range(5))) == [b"x"] * 5
    assert len(built) == 1
