"""`store`: where slots, queue, limits and keys are kept."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, WithJsonSchema

from gateway.settings.field_types import Flag, NamedFile, Section, Whole, refusal
from gateway.settings.store_url import StoreAddress, StoreUrl, parse_store_url


def _one_line(password: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", password.get_secret_value()):
        raise refusal("empty, or holds line ends", "give the password alone, without quotes")
    return password


Password = Annotated[SecretStr, AfterValidator(_one_line)]
UserName = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$"),
    Field(json_schema_extra={"errorMessage": "the name of an ACL user, without spaces"}),
]
Domain = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9-]{1,32}$"),
    Field(json_schema_extra={"errorMessage": "1 to 32 lower-case letters, digits or -"}),
]
Folder = Annotated[
    Path,
    # The format tells it from the paths of files, which are opened when the configuration is read.
    WithJsonSchema(
        {"type": "string", "format": "directory-path", "errorMessage": "the path of a folder"}
    ),
]


class StoreTlsSettings(Section):
    """How the store is checked, and how the gateway proves who it is."""

    ca_file: NamedFile | None = Field(
        default=None,
        description="PEM file of the authority that signed the store's certificate. "
        "Default: the system's authorities. Relative paths start at the file that names them.",
    )
    verify: Flag = Field(
        default=True,
        description="Check the store's certificate, default true. false lets anyone on the way "
        "read and change the queue; use ca_file for a self-signed certificate.",
    )
    client_cert_file: NamedFile | None = Field(
        default=None,
        description="PEM file with the gateway's certificate, for mutual TLS. Default: none.",
    )
    client_key_file: NamedFile | None = Field(
        default=None,
        description="PEM file with its key; default: the key is in client_cert_file.",
    )


class StoreSettings(Section):
    """One store is shared by every worker and every replica that hands out the same slots."""

    url: StoreUrl = Field(
        default="embedded",
        description="embedded (default): a private Valkey that the gateway starts itself, for one "
        "host. Else Redis from 7.0 or Valkey from 7.2: redis://HOST:PORT/DB, unix:///PATH, "
        "redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB, redis+cluster://HOST:PORT,HOST:PORT; "
        "rediss for TLS. No credentials in it.",
    )
    username: UserName | None = Field(
        default=None,
        description="ACL user of the store. Default: the store's default user.",
    )
    password: Password | None = Field(
        default=None,
        description="Password of the store, default none. Environment only; "
        "stronger than password_file.",
    )
    password_file: NamedFile | None = Field(
        default=None,
        description="File that holds nothing but the password, default none. Read at start.",
    )
    tls: StoreTlsSettings = Field(
        default_factory=StoreTlsSettings, description="For rediss addresses. Default: verify."
    )
    state_dir: Folder | None = Field(
        default=None,
        description="Folder of the embedded store's file. Default: one for each configuration "
        "file and profile, in the user's state directory (XDG_STATE_HOME, or what systemd gives).",
    )
    domain: Domain = Field(
        default="default",
        description="Part of every key, default 'default'. Gateways with the same store and domain "
        "share slots, queue, limits and keys; use another one for another set of runners.",
    )
    timeout_ms: Annotated[Whole, Field(ge=10, le=10_000)] = Field(
        default=250,
        description="Milliseconds within which the store must answer, default 250. "
        "One that is slower counts as down.",
    )
    degraded: Literal["local", "closed"] = Field(
        default="local",
        description="What happens to new requests while the store is down. local (default): each "
        "replica goes on with its share of the slots. closed: they are refused with 503.",
    )

    @property
    def address(self) -> StoreAddress:
        """What `url` says."""
        return parse_store_url(self.url)
