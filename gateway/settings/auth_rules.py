"""What `auth` must be for the address and the profile. Rules read the merged layers rather than
the validated settings, so that they speak even where another value is faulty."""

import ipaddress
from collections.abc import Iterator

from pydantic_core import PydanticCustomError

from gateway.settings.fault import Fault
from gateway.settings.field_types import bind_host
from gateway.settings.locating import fault_at
from gateway.settings.node import Node
from gateway.settings.shape import Shape
from gateway.settings.suggestion import did_you_mean


def auth_faults(document: Node, shape: Shape, profile: str) -> Iterator[Fault]:
    auth = document.at("auth")
    if auth.at("mode").value == "keys":
        yield from _key_faults(document, shape)
        return
    if auth.at("mode").value not in (None, "none"):
        return  # not a mode; said elsewhere
    host = document.at("server", "host").text
    if host and _reaches_beyond(host) and auth.at("allow_none_beyond_loopback").value is not True:
        yield fault_at(
            document,
            shape,
            ("server", "host"),
            "listens beyond this machine while auth.mode is none",
            "set auth.mode: keys, or server.host: 127.0.0.1, or, if something in front of the "
            "gateway checks who calls, auth.allow_none_beyond_loopback: true",
        )
    if profile == "prod" and auth.at("allow_none_in_prod").value is not True:
        yield fault_at(
            document,
            shape,
            ("auth", "mode"),
            "profile prod with auth.mode none",
            "set auth.mode: keys, or, if something in front of the gateway checks who calls, "
            "auth.allow_none_in_prod: true",
        )


def _key_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    keys = document.at("auth", "keys")
    for field, remedy in (("name", "give each key its own name"), ("sha256", "remove one of them")):
        first: dict[str, int] = {}
        for number, key in enumerate(keys.items):
            value = (key.at(field).text or "").lower()
            if value and first.setdefault(value, number) != number:
                path = ("auth", "keys", str(number), field)
                problem = f"the same as auth.keys.{first[value]}.{field}"
                yield fault_at(document, shape, path, problem, remedy)
    for number, key in enumerate(keys.items):
        yield from _model_faults(document, shape, number, key)


def _model_faults(document: Node, shape: Shape, number: int, key: Node) -> Iterator[Fault]:
    models = document.at("models").mapping
    if not models or document.at("discovery", "enabled").value is True:
        return  # which there are is found out later
    aliases = (alias.text for model in models.values() for alias in model.at("aliases").items)
    known = [*models, *(alias for alias in aliases if alias)]
    for place, model in enumerate(key.at("models").items):
        if model.text and model.text not in known:
            path = ("auth", "keys", str(number), "models", str(place))
            yield fault_at(document, shape, path, "no such model", did_you_mean(model.text, known))


def _reaches_beyond(host: str) -> bool:
    try:
        return not ipaddress.ip_address(bind_host(host)).is_loopback
    except PydanticCustomError:
        return False  # not a host; said elsewhere
    except ValueError:
        return host.lower() != "localhost"  # a name may mean any address
