"""The adapters by the name that configuration gives them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backends.base import Backend, BackendKind
from backends.llama_cpp_python import LlamaCppPythonBackend
from backends.llamacpp import LlamaCppBackend
from backends.ollama import OllamaBackend
from backends.openai_compat import OpenAICompatBackend
from backends.openai_server import OpenAIServerBackend
from backends.transport import Transport
from backends.vllm import VllmBackend

KINDS: Mapping[BackendKind, type[OpenAICompatBackend]] = MappingProxyType(
    {
        "ollama": OllamaBackend,
        "llamacpp": LlamaCppBackend,
        "llama-cpp-python": LlamaCppPythonBackend,
        "vllm": VllmBackend,
        "openai": OpenAIServerBackend,
    }
)


def connect(
    kind: BackendKind,
    transport: Transport,
    *,
    name: str,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Backend:
    """The adapter of `kind` for the runner called `name` behind `transport`, which it then owns.

    `api_key` goes out as a bearer token, `headers` with every request. Raises `ValueError` for a
    header that cannot be sent, and for a url that ends in /v1 unless the kind is `openai`.
    """
    return KINDS[kind](transport, name=name, api_key=api_key, headers=headers)
