"""How requests are written and streams are read, for each API that a target may speak."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.bench.dialects.anthropic import AnthropicDialect
from gateway.bench.dialects.base import Dialect, Reader
from gateway.bench.dialects.ollama import OllamaDialect
from gateway.bench.dialects.openai import ChatDialect, CompletionsDialect
from gateway.bench.result import DialectName

DIALECTS: Mapping[DialectName, Dialect] = MappingProxyType(
    {
        "openai-chat": ChatDialect(),
        "openai-completions": CompletionsDialect(),
        "ollama": OllamaDialect(),
        "anthropic": AnthropicDialect(),
    }
)

__all__ = ["DIALECTS", "Dialect", "Reader"]
