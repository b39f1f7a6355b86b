"""Types that several sections share. Each says in `errorMessage` what would be right.

Editors that read `config/schema.json` show that text, and so do our faults (`shape.py`).
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

BackendKind: TypeAlias = Literal["ollama", "llamacpp", "llama-cpp-python", "vllm", "openai"]
Profile: TypeAlias = Literal["dev", "staging", "prod"]


class Section(BaseModel):
    """One block of the configuration: frozen, and every key in it is known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )


def refusal(problem: str, remedy: str) -> PydanticCustomError:
    """What a validator raises: pydantic keeps the two halves apart for `explanation.py`."""
    return PydanticCustomError(
        "refused", "{problem}; {remedy}", {"problem": problem, "remedy": remedy}
    )


def alternatives(right: str) -> WrapValidator:
    """One fault that says what is `right`, in place of one fault for each member of a union."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(value)
        except ValidationError:
            raise refusal("not one of the choices", f"give {right}") from None

    return WrapValidator(validate)


def _hint(right: str) -> Any:
    return Field(json_schema_extra={"errorMessage": right})


K = TypeVar("K")
V = TypeVar("V")

FrozenMap = Annotated[
    Mapping[K, V],
    AfterValidator(MappingProxyType),
    WrapSerializer(lambda value, handler: handler(dict(value))),
]

# Strict, because pydantic otherwise reads `true` as the number 1 and "yes" as true.
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Seconds = Annotated[float, Strict(), Field(gt=0, le=86_400, allow_inf_nan=False)]

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._:/@+-]{1,200}$"),
    _hint("1 to 200 letters, digits or . _ : / @ + -"),
]
RunnerName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    _hint("1 to 64 letters, digits or . _ - that begin with a letter or digit"),
]
Label = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._@+-]{1,64}$"),
    _hint("1 to 64 letters, digits or . _ @ + -"),
]
NamedFile = Annotated[Path, _hint("the path of a file")]


def _url_parts(url: str) -> SplitResult:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise refusal("the address holds white space", "remove it")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, an unclosed IPv6 bracket
        valid = False
    if not valid:
        raise refusal("not an address", "give http://HOST:PORT or https://HOST:PORT")
    if "@" in parts.netloc:
        raise refusal(
            "the address holds credentials", "take them out and use api_key_file or api_key"
        )
    if parts.query or parts.fragment:
        raise refusal("the address holds a query or fragment", "give only scheme, host, port, path")
    return parts


def _runner_url(url: str) -> str:
    path = _url_parts(url).path.rstrip("/")
    if path == "/v1" or path.endswith("/v1"):
        # OpenAI SDKs want it in base_url, so people paste it; we would ask for /v1/v1/models.
        raise refusal("the address ends in /v1", "leave /v1 out, the gateway adds it")
    return url.rstrip("/")


RunnerUrl = Annotated[
    str, AfterValidator(_runner_url), _hint("http://HOST:PORT or https://HOST:PORT")
]


def _cors_origin(origin: str) -> str:
    if origin != "*" and _url_parts(origin).path:
        raise refusal("not an origin", "give scheme://host:port without a path or final /, or '*'")
    return origin


CorsOrigin = Annotated[str, AfterValidator(_cors_origin), _hint("scheme://host:port, or '*'")]


def _proxy(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
    except ValueError as fault:
        wrong = "has bits set behind its mask" if "host bits" in str(fault) else "not an address"
        raise refusal(wrong, "give 10.0.0.7, or a network such as 10.0.0.0/8") from fault


TrustedProxy = Annotated[str, AfterValidator(_proxy), _hint("an IP address, or a network")]


def bind_host(host: str) -> str:
    """The host as it is bound. Raises PydanticCustomError for what is none."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if re.fullmatch(r"[0-9.]*", host) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", host):
        raise refusal("not a host", "give an IP address without brackets or port, or a host name")
    return host


BindHost = Annotated[str, AfterValidator(bind_host), _hint("an IP address or a host name")]


def _header_safe(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        raise refusal(
            "empty, or holds white space or other characters that no HTTP header can carry",
            "give the key alone, without quotes or line ends",
        )
    return key


ApiKey = Annotated[SecretStr, AfterValidator(_header_safe)]
