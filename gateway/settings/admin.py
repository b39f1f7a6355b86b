"""`admin`: a second listener that shows operators the queue."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from gateway.settings.field_types import BindHost, Flag, NamedFile, Section, Whole, refusal

# Nothing slows down who guesses, so that guessing must be hopeless.
_TOKEN = re.compile(r"[\x21-\x7e]{16,512}")


def _hard_to_guess(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise refusal(
            "not 16 to 512 characters that an HTTP header can carry",
            "make one with `openssl rand -hex 32` and give it alone, without quotes or line ends",
        )
    return token


Token = Annotated[SecretStr, AfterValidator(_hard_to_guess)]


class AdminSettings(Section):
    """Whether operators can look at the queue (`sluicegate top`), and where."""

    enabled: Flag = Field(
        default=False,
        description="Serve GET /admin/state on a port of its own, default false. It names runners, "
        "tenants and how much they ask for; never keys or prompts. Needs a token.",
    )
    host: BindHost = Field(
        default="127.0.0.1",
        description="Address to listen on, default 127.0.0.1: this machine only. Beyond that the "
        "token travels in the clear: use a network you trust, or TLS in front.",
    )
    port: Whole = Field(
        default=8081,
        ge=0,
        le=65_535,
        description="Port to listen on, default 8081; never server.port. "
        "0 takes a free one and logs it.",
    )
    token: Token | None = Field(
        default=None,
        description="What readers must send as `Authorization: Bearer …`, default none. "
        "Environment only; stronger than token_file.",
    )
    token_file: NamedFile | None = Field(
        default=None,
        description="File that holds nothing but the token, default none. Read at start.",
    )
