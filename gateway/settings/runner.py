"""`runners`: the processes that can run models, found by url or started by the gateway."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from gateway.settings.field_types import (
    ApiKey,
    BackendKind,
    Flag,
    FrozenMap,
    NamedFile,
    RunnerUrl,
    Seconds,
    Section,
    Text,
    Whole,
    alternatives,
    refusal,
)

_SLOTS = "auto, unlimited or a whole number from 1 to 4096"

# RFC 9110 section 7.6.1, plus what frames the message: the transport owns these.
_CONNECTION_HEADER = re.compile(
    r"connection|content-length|content-type|expect|host|keep-alive|proxy-connection|te|trailer"
    r"|transfer-encoding|upgrade",
    re.IGNORECASE,
)
CREDENTIAL_HEADER = re.compile(
    r"(x-)?api-key|(proxy-)?authorization|proxy-authenticate|cookie", re.IGNORECASE
)
_SECRET_ARGUMENT = re.compile(r"--?(api[-_]key|hf[-_]token|hft)(=|$)")


def _header_name(name: str) -> str:
    if _CONNECTION_HEADER.fullmatch(name):
        raise refusal("a header that belongs to the connection", "remove it, the gateway sets it")
    if CREDENTIAL_HEADER.fullmatch(name):
        raise refusal("a header that carries a credential", "use api_key_file or api_key")
    return name


def _without_secret(arguments: tuple[str, ...]) -> tuple[str, ...]:
    for argument in arguments:
        if _SECRET_ARGUMENT.match(argument):
            raise refusal(
                "a secret on a command line, where every user of the machine can read it",
                "hand it over as an environment variable, see launch.env",
            )
    return arguments


HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"),
    AfterValidator(_header_name),
    Field(json_schema_extra={"errorMessage": "the name of an HTTP header"}),
]
HeaderValue = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"),
    Field(json_schema_extra={"errorMessage": "visible ASCII characters"}),
]
VariableName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$"),
    Field(json_schema_extra={"errorMessage": "the name of an environment variable"}),
]
VariableValue = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Slots = Annotated[
    Annotated[Whole, Field(ge=1, le=4096)] | Literal["auto", "unlimited"],
    alternatives(_SLOTS),
    Field(json_schema_extra={"errorMessage": _SLOTS}),
]
Arguments = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")], ...],
    AfterValidator(_without_secret),
]


class TlsSettings(Section):
    """How an https runner is checked, and how the gateway proves who it is."""

    ca_file: NamedFile | None = Field(
        default=None,
        description="PEM file of the authority that signed the runner's certificate. "
        "Default: the system's authorities. Relative paths start at the file that names them.",
    )
    verify: Flag = Field(
        default=True,
        description="Check the runner's certificate, default true. false lets anyone on the way "
        "read and change prompts; use ca_file for a self-signed certificate.",
    )
    client_cert_file: NamedFile | None = Field(
        default=None,
        description="PEM file with the gateway's certificate, for mutual TLS. Default: none.",
    )
    client_key_file: NamedFile | None = Field(
        default=None,
        description="PEM file with its key; default: the key is in client_cert_file.",
    )


class LaunchSettings(Section):
    """A runner that the gateway starts, and stops when it stops itself."""

    model: Text = Field(
        default="builtin",
        description="builtin (default; llamacpp only): the tiny model that comes along. Else the "
        "path of a GGUF file (for vllm, of a folder), where a relative one starts at the working "
        "directory; or a Hugging Face id, which is downloaded at the first start, though not by "
        "the wheel xllamacpp.",
    )
    parallel: Annotated[Whole, Field(ge=1, le=4096)] | None = Field(
        default=None,
        description="Requests that it works on at once, which are also its slots where it does "
        "not tell. Default: the runner's own choice.",
    )
    context: Annotated[Whole, Field(ge=64, le=16_777_216)] | None = Field(
        default=None,
        description="Context window of one request in tokens. Default: the runner's own choice, "
        "which may take all memory for a model with a long window.",
    )
    command: Text | None = Field(
        default=None,
        description="Program to start. Default: the backend's own, found on the PATH. llamacpp "
        "takes the wheel xllamacpp (for Linux built without GPU) where there is no llama-server, "
        "with `python`, and for the built-in model.",
    )
    python: Text | None = Field(
        default=None,
        description="Python interpreter that has llama_cpp, vllm or xllamacpp installed. "
        "Default: the one that runs the gateway.",
    )
    args: Arguments = Field(
        default=(),
        description="More arguments for the program, default none. One string each. The wheel "
        "xllamacpp takes `--set=FIELD=VALUE` only, for the fields of its CommonParams.",
    )
    env: FrozenMap[VariableName, VariableValue] = Field(
        default_factory=dict,
        repr=False,  # may hold secrets
        description="More environment variables for the program, default none. "
        "Secrets not here but from the gateway's own environment.",
    )
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Port it listens on. Default: a free one."
    )
    ready_s: Seconds = Field(
        default=300,
        description="Seconds until it must answer, default 300. A first start downloads the model.",
    )
    model_name: Text | None = Field(
        default=None, description="Name it serves the model under. Default: its own choice."
    )
    gpu_layers: Annotated[Whole, Field(ge=-1, le=100_000)] | None = Field(
        default=None,
        description="llama.cpp layers to put on the GPU; -1 is all. Default: the runner's choice.",
    )
    threads: Annotated[Whole, Field(ge=1, le=1024)] | None = Field(
        default=None,
        description="Threads that it computes with; llamacpp and llama-cpp-python only. Default: "
        "the runner's choice, as a rule every core (llama-cpp-python: half of them); one less than "
        "all leaves the gateway a core of its own.",
    )


class RunnerSettings(Section):
    """One runner: `url` for one that runs already, `launch` for one to start; never both."""

    backend: BackendKind = Field(description="Kind of the runner. Required.")
    url: RunnerUrl | None = Field(
        default=None,
        description="Address without /v1, such as http://127.0.0.1:11434; "
        "a path prefix of a proxy is kept. No credentials in it. Default: none, see launch.",
    )
    launch: LaunchSettings | None = Field(
        default=None,
        description="Start it: llamacpp, llama-cpp-python, vllm, ollama. Default: it runs already.",
    )
    slots: Slots = Field(
        default="auto",
        description="Requests it gets at once. auto (default): asked from the runner where it can "
        "be, else launch.parallel, else a safe number for its kind. A number pins. unlimited: no "
        "queue here at all.",
    )
    api_key: ApiKey | None = Field(
        default=None,
        description="Key the runner asks for, default none. Environment only; "
        "stronger than api_key_file.",
    )
    api_key_file: NamedFile | None = Field(
        default=None,
        description="File that holds nothing but the key the runner asks for, default none. "
        "Read at start.",
    )
    tls: TlsSettings = Field(
        default_factory=TlsSettings, description="For https addresses. Default: verify."
    )
    probe_s: Annotated[Seconds, Field(ge=0.1)] = Field(
        default=5,
        description="Seconds between health probes, default 5. "
        "A runner that died is noticed this late, unless a request finds out first.",
    )
    headers: FrozenMap[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        repr=False,  # may hold secrets
        description="Headers added to every request to this runner, default none.",
    )

    @property
    def launch_here(self) -> LaunchSettings | None:
        """How it is to be started; None where it has an address, so that it runs already."""
        return self.launch if self.url is None else None

    @property
    def parallel(self) -> int | None:
        """How many requests it was started to work on at once, where that was said."""
        return self.launch.parallel if self.launch is not None else None
