"""What `/api/tags` and `/api/ps` tell of a runner's models, and whether Ollama tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.base import ModelCard

_DEFAULT_HOST = "registry.ollama.ai/"
_DEFAULT_NAMESPACE = "library/"
_DEFAULT_TAG = ":latest"
_CLOUD = (":cloud", "-cloud")


@dataclass(frozen=True, slots=True)
class Installed:
    """The models of one runner."""

    cards: tuple[ModelCard, ...]
    loaded: tuple[str, ...]
    cloud: tuple[str, ...]
    """Left out of the cards: they are computed at ollama.com, and prompts would leave the host."""


def canonical(name: str) -> str:
    """A model name as Ollama compares it: case does not count, and what it takes for granted is
    written out or left out the same way (`Llama3` and `library/llama3:latest` are one model)."""
    name = name.lower().removeprefix(_DEFAULT_HOST).removeprefix(_DEFAULT_NAMESPACE)
    tagged = ":" in name.rpartition("/")[2]
    return name if tagged else name + _DEFAULT_TAG


def is_ollamas(tags: Mapping[str, Any]) -> bool:
    """Whether a `/api/tags` answer is Ollama's own.

    SGLang and LocalAI imitate it, LocalAI `/api/version` as well. They write digests with a
    `sha256:` prefix that Ollama leaves out, and LocalAI writes null for an empty list.
    """
    models = tags.get("models")
    if not isinstance(models, list):
        return False
    return not any(str(_entry(model).get("digest", "")).startswith("sha256:") for model in models)


def read_installed(tags: Mapping[str, Any], loaded: Mapping[str, Any]) -> Installed:
    """Read both answers. `loaded` may be empty: then no model counts as loaded.

    A loaded model's context length is the window one request really has; that of an installed one
    is only what the model could do.
    """
    windows = {canonical(name): _length(model) for name, model in _named(loaded)}
    cards: list[ModelCard] = []
    cloud: list[str] = []
    for name, model in _named(tags):
        if name.lower().endswith(_CLOUD) or model.get("remote_host"):
            cloud.append(name)
            continue
        details = model.get("details")
        length = windows.get(canonical(name)) or _length(
            details if isinstance(details, dict) else {}
        )
        short = name.removesuffix(_DEFAULT_TAG)
        aliases = (short,) if short != name else ()
        cards.append(ModelCard(id=name, aliases=aliases, context_length=length))
    return Installed(tuple(cards), tuple(name for name, _ in _named(loaded)), tuple(cloud))


def _named(answer: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    models = answer.get("models")
    found = [_entry(model) for model in models] if isinstance(models, list) else []
    named = [(model.get("name") or model.get("model"), model) for model in found]
    return [(name, model) for name, model in named if isinstance(name, str)]


def _entry(model: object) -> dict[str, Any]:
    return model if isinstance(model, dict) else {}


def _length(model: Mapping[str, Any]) -> int | None:
    length = model.get("context_length")
    return length if isinstance(length, int) and length > 0 else None
