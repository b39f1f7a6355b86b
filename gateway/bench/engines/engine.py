"""What is compared: engines that can be started here, and those that cannot, with the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from backends.base import BackendKind
from backends.launch.commands import command_for
from backends.launch.errors import LaunchError
from backends.launch.machine import survey
from backends.launch.spec import LaunchSpec
from gateway.bench.engines.weights import Weights, WeightsMissing

COMPARED: tuple[BackendKind, ...] = ("llamacpp", "llama-cpp-python", "vllm", "ollama")
"""Backends that can be launched, in the order they are measured."""
_ANY_PORT = 1
_SPARING = {"OMP_WAIT_POLICY": "passive"}
"""llama.cpp's threads wait by spinning otherwise, and on few cores take them from everybody."""
_VLLM = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
"""Weights are here or were fetched before; on a CPU it would else take 4 GiB for its cache."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One that can be started, and how many requests to give it at once."""

    name: str
    backend: BackendKind
    spec: LaunchSpec
    slots: int
    cores: int | None = None
    """Processor cores that it was kept to; None: it shares all with load and gateway."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What it was started with beyond the model, for the report."""
        spec = self.spec
        told = (("parallel", spec.parallel), ("context", spec.context), ("cores", self.cores))
        return (*(f"{name}={value}" for name, value in told if value is not None), *spec.args)


@dataclass(frozen=True, slots=True)
class Missing:
    """One that cannot be measured, and what to do about it."""

    name: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Which engines, and where they are."""

    slots: tuple[int, ...] = (1, 4)
    """llama.cpp's server is started once with each of these."""
    vllm_slots: int = 64
    llama_cpp_python: str | None = None
    """Interpreter that has it; None: ours. The same for the next."""
    vllm: str | None = None
    context: int = 1024
    """Tokens of one request, prompt and answer together."""
    cores: int | None = None
    """Processor cores that each engine is kept to."""
    only: frozenset[str] = frozenset(COMPARED)


def find(wish: Wish, weights: Weights) -> tuple[list[Engine], list[Missing]]:
    """Look which engines can be started. Blocks for a moment; starts nothing."""
    here: list[Engine] = []
    missing: list[Missing] = []
    for name, make in _wanted(wish, weights):
        try:
            engine = make()
            command_for(engine.spec, survey(engine.spec), _ANY_PORT)
        except (LaunchError, WeightsMissing) as error:
            missing.append(Missing(name, error.fault))
        else:
            here.append(engine)
    return here, missing


def _wanted(wish: Wish, weights: Weights) -> Iterator[tuple[str, Callable[[], Engine]]]:
    if "llamacpp" in wish.only:
        for slots in wish.slots:
            name = f"llama.cpp, {slots} slot{'' if slots == 1 else 's'}"
            yield name, partial(_llamacpp, name, slots, wish, weights)
    if "llama-cpp-python" in wish.only:
        yield "llama-cpp-python", partial(_llama_cpp_python, wish, weights)
    if "vllm" in wish.only:
        yield "vLLM", partial(_vllm, wish, weights)
    if "ollama" in wish.only:
        yield "Ollama", partial(_ollama, wish, weights)


def _llamacpp(name: str, slots: int, wish: Wish, weights: Weights) -> Engine:
    spec = LaunchSpec(
        name,
        "llamacpp",
        model=str(weights.for_llama_cpp()),
        model_name=weights.name,
        parallel=slots,
        context=wish.context,
        threads=wish.cores,
        env=_SPARING,
    )
    return Engine(name, "llamacpp", spec, slots, wish.cores)


def _llama_cpp_python(wish: Wish, weights: Weights) -> Engine:
    spec = LaunchSpec(
        "llama-cpp-python",
        "llama-cpp-python",
        model=str(weights.for_llama_cpp()),
        model_name=weights.name,
        context=wish.context,
        python=wish.llama_cpp_python,
        threads=wish.cores,
        env=_SPARING,
    )
    return Engine(spec.name, "llama-cpp-python", spec, 1, wish.cores)


def _vllm(wish: Wish, weights: Weights) -> Engine:
    spec = LaunchSpec(
        "vLLM",
        "vllm",
        model=weights.for_vllm(),
        model_name=weights.name,
        context=wish.context,
        python=wish.vllm,
        env=_VLLM | _vllm_threads(wish.cores),
    )
    return Engine(spec.name, "vllm", spec, wish.vllm_slots, wish.cores)


def _vllm_threads(cores: int | None) -> dict[str, str]:
    """It binds its threads to cores that it chooses itself, and keeps one of them free."""
    if cores is None:
        return {}
    return {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(cores)}


def _ollama(wish: Wish, weights: Weights) -> Engine:
    # It is asked with its own default, one request at a time: the figure that people have.
    folder = weights.folder / "ollama"
    spec = LaunchSpec("Ollama", "ollama", context=wish.context, env={"OLLAMA_MODELS": str(folder)})
    return Engine(spec.name, "ollama", spec, 1, wish.cores)
