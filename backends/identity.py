"""What really listens at a url, when it is not the runner that the configuration names."""

from __future__ import annotations

from backends.base import BackendKind, Probe, RunnerState
from backends.probing import Answer, Prober

Identity = tuple[str, BackendKind]
"""What a runner is, for people, and the adapter that serves it."""

LLAMA_SERVER: Identity = ("llama-server", "llamacpp")
LLAMA_CPP_PYTHON: Identity = ("llama-cpp-python", "llama-cpp-python")
OLLAMA: Identity = ("Ollama", "ollama")
VLLM: Identity = ("vLLM", "vllm")
SGLANG: Identity = ("SGLang", "openai")

OWNERS: dict[str, Identity] = {
    "llamacpp": LLAMA_SERVER,
    "me": LLAMA_CPP_PYTHON,
    "library": OLLAMA,
    "vllm": VLLM,
    "sglang": SGLANG,
    "tensorrt_llm": ("trtllm-serve", "openai"),
}
"""`owned_by` in `/v1/models`, by runner."""


async def recognise(prober: Prober) -> Identity | None:
    """Find out what answers, without `/v1/models`, which cuts a llama-cpp-python stream."""
    root = await prober.get("/")
    if root.server == "llama.cpp":
        return LLAMA_SERVER
    if b"Ollama is running" in root.body:
        return OLLAMA
    if is_llama_cpp_python(await prober.get("/openapi.json")):
        return LLAMA_CPP_PYTHON
    version = await prober.get("/version")
    if "version" in version.fields():
        metrics = await prober.get("/metrics")
        if b"\nvllm:" in metrics.body:
            return VLLM
    return None


def is_llama_cpp_python(openapi: Answer) -> bool:
    """Whether `/openapi.json` is that of llama-cpp-python's server."""
    info = openapi.fields().get("info")
    return isinstance(info, dict) and "llama.cpp Python API" in str(info.get("title"))


async def mismatch(prober: Prober, seen: Answer) -> Probe:
    """The probe of a runner that did not behave as its kind does; `seen` is what it answered."""
    if seen.status in (401, 403):
        return refused_credential(prober, seen)
    identity = await recognise(prober)
    if identity is None:
        return Probe(
            RunnerState.DOWN,
            f"{prober.url} answered HTTP {seen.status} to a health check; is it {prober.kind}? "
            f"Check url and backend of runner {prober.name}",
        )
    if identity[1] == prober.kind:
        return Probe(
            RunnerState.DOWN,
            f"{prober.url} is {identity[0]}, but answered HTTP {seen.status} to a health check",
        )
    return wrong_kind(prober, identity)


def wrong_kind(prober: Prober, identity: Identity) -> Probe:
    """The probe of a runner that turned out to be of another kind."""
    title, kind = identity
    return Probe(
        RunnerState.DOWN,
        f"{prober.url} seems to be {title}, not {prober.kind}: "
        f"write `backend: {kind}` for runner {prober.name}",
    )


def refused_credential(prober: Prober, seen: Answer) -> Probe:
    """The probe of a runner that wants another API key."""
    return Probe(
        RunnerState.DOWN,
        f"{prober.url} refused our credential (HTTP {seen.status}): "
        f"set api_key of runner {prober.name}",
    )
