"""`auth`: who may call."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from gateway.settings.field_types import Flag, Label, Section, refusal

# What `printf %s "$KEY" | sha256sum` and `echo "$KEY" | sha256sum` print while KEY is unset.
# Accepting one of them would accept the empty key.
_HASHES_OF_NOTHING = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
    }
)


def _hash_of_something(digest: str) -> str:
    if digest.lower() in _HASHES_OF_NOTHING:
        raise refusal("the hash of an empty key", "hash the key itself (was the variable set?)")
    return digest.lower()


KeyHash = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$"),
    AfterValidator(_hash_of_something),
    Field(
        json_schema_extra={
            "errorMessage": 'the 64 hex digits that `printf %s "$KEY" | sha256sum` prints',
            "writeOnly": True,  # people put the key itself here, and faults show values
        }
    ),
]


class AuthKey(Section):
    """One key that clients send, kept as its hash."""

    name: Label = Field(description="Names the key in logs and metrics. Required, unique.")
    sha256: KeyHash = Field(
        description="SHA-256 of the key, in hex. Required. Use a long random key "
        "(`openssl rand -hex 32`): a guessable one can be found from its hash."
    )
    tenant: Label = Field(
        default_factory=lambda key: str(key["name"]),
        description="Whom the key's requests are counted for; default the key's name. "
        "Keys of one tenant share one place in the queue.",
    )


class AuthSettings(Section):
    """Whether clients need a key."""

    mode: Literal["none", "keys"] = Field(
        default="none",
        description="none (default): whoever reaches the port may call. keys: a listed key is "
        "needed, as `Authorization: Bearer …` or `x-api-key`.",
    )
    keys: tuple[AuthKey, ...] = Field(
        default=(),
        description="Keys that are accepted, default none. A profile's or the environment's list "
        "replaces this one, it does not add to it.",
    )
    allow_none_beyond_loopback: Flag = Field(
        default=False,
        description="Let mode none listen beyond this machine, default false. "
        "Only where something in front of the gateway checks who calls.",
    )
    allow_none_in_prod: Flag = Field(
        default=False,
        description="Let profile prod run with mode none, default false. As above.",
    )
