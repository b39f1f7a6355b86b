"""What has to fit together inside `store`."""

from collections.abc import Iterator
from typing import TypeAlias

from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import KeyPath, Node
from gateway.settings.shape import Shape

Finding: TypeAlias = tuple[KeyPath, str, str]  # path inside the section, problem, remedy

_OF_A_SERVER = ("username", "password", "password_file")


def store_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    store = document.at("store")
    for path, problem, remedy in (*_credentials(store), *_tls(store)):
        yield fault_at(document, shape, ("store", *path), problem, remedy)


def _credentials(store: Node) -> Iterator[Finding]:
    if store.at("url").value in (None, "embedded"):
        for key in _OF_A_SERVER:
            if store.at(key).value is not None:
                yield (
                    (key,),
                    "the embedded store has no users: only this one can reach it",
                    "remove it, or set store.url to the server that asks for it",
                )
                break
    elif store.at("username").value is not None and not any(
        store.at(key).value is not None for key in ("password", "password_file")
    ):
        yield ("username",), "a user without a password", "add password_file"


def _tls(store: Node) -> Iterator[Finding]:
    tls, url = store.at("tls"), store.at("url").text or "embedded"
    if tls.at("client_key_file").value is not None and tls.at("client_cert_file").value is None:
        yield ("tls", "client_key_file"), "a key without a certificate", "add client_cert_file"
    asks = [key for key, node in tls.mapping.items() if node.value not in (None, key == "verify")]
    if asks and not url.startswith(("rediss", "valkeys")):
        yield ("tls",), "tls for an address without TLS", "write rediss in url, or remove tls"
