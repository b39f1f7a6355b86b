"""What has to fit together for `admin`."""

from collections.abc import Iterator

from gateway.settings.admin import AdminSettings
from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import Node
from gateway.settings.server import ServerSettings
from gateway.settings.shape import Shape


def admin_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    admin = document.at("admin")
    if admin.at("enabled").value is not True:
        return
    if not any(admin.at(key).value is not None for key in ("token", "token_file")):
        yield fault_at(
            document,
            shape,
            ("admin", "enabled"),
            "an admin listener without a token",
            "name a file with a long random one in admin.token_file (`openssl rand -hex 32`), "
            "or set SLUICEGATE_ADMIN__TOKEN",
        )
    port = _port(document, "admin", AdminSettings.model_fields["port"].default)
    if port and port == _port(document, "server", ServerSettings.model_fields["port"].default):
        yield fault_at(
            document,
            shape,
            ("admin", "port"),
            "the same as server.port",
            "give the admin listener a port of its own",
        )


def _port(document: Node, section: str, default: object) -> object:
    port = document.at(section, "port").value
    return default if port is None else port
