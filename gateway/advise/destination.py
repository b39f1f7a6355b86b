"""Where to move to when the current runner does not carry the load. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backends.base import BackendKind
from gateway.advise.decision import Doubt
from gateway.advise.facts import Engine, Facts
from gateway.advise.hardware import Hardware
from gateway.advise.service import Service
from gateway.advise.use import Use

_COMPARE = "sluicegate bench engines: the same model on every engine that is installed"
_VLLM_SLOTS = 64
_MAC_SLOTS = 4
_BYTES_A_PARAMETER = 2
"""bfloat16, which vLLM takes unless it is told otherwise."""
_ROOM = 1.25
"""Weights and, above them, the least that the cache of running requests needs."""
_BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Destination:
    """A runner to move to: what the configuration needs, and how to start it."""

    backend: BackendKind
    where: str
    """Goes behind its name in a sentence; empty for this machine."""
    runner: str
    url: str
    upstream_model: str
    slots: int
    start: str | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def destination(facts: Facts, now: Service, better: Service | None) -> Destination:
    """What was measured to carry the load; else what the hardware allows, with its doubts."""
    current, hardware = facts.current, facts.hardware
    if better is not None:
        return _measured(better)
    if current.backend == "vllm":
        return _another_vllm(current, now)
    if hardware is not None and hardware.vllm_gpus:
        return _vllm_here(facts, hardware)
    if hardware is not None and hardware.is_mac and current.backend != "llamacpp":
        return _llama_server(facts)
    return _vllm_elsewhere(facts)


def _measured(better: Service) -> Destination:
    engine = better.engine
    return Destination(
        backend=engine.backend,
        where=", which was measured beside it",
        runner=engine.runner or engine.backend,
        url=engine.url or "http://127.0.0.1:8000",
        upstream_model=engine.upstream_model,
        slots=better.slots,
    )


def _another_vllm(current: Engine, now: Service) -> Destination:
    return Destination(
        backend="vllm",
        where=", on more hardware",
        runner="gpu-b",
        url="http://gpu-b:8000",
        upstream_model=current.upstream_model,
        slots=now.slots,
        notes=(
            "put the address of the second machine in, and name both runners in the target; the "
            "gateway shares the load between them",
        ),
        doubts=(
            Doubt(
                "that a second runner doubles the throughput is an assumption",
                "sluicegate bench, through the gateway, with both runners",
            ),
        ),
    )


def _vllm_here(facts: Facts, hardware: Hardware) -> Destination:
    gpus = ", ".join(map(str, hardware.vllm_gpus))
    doubts = [Doubt(f"vLLM has not been measured here ({gpus})", _COMPARE)]
    notes = []
    needed = needed_gib(facts.current)
    have = hardware.vllm_memory_gib
    if needed is not None and have and needed > have:
        text = f"by its name the model needs some {needed:.0f} GiB as vLLM loads it, of {have:.0f}"
        notes.append(f"{text}: take a quantised one (AWQ, FP8)")
        doubts.append(Doubt(text, grave=True))
    return _vllm(facts, "gpu", "http://127.0.0.1:8000", "", tuple(notes), tuple(doubts))


def _vllm_elsewhere(facts: Facts) -> Destination:
    hardware = facts.hardware
    seen = "its machine cannot be seen from here" if hardware is None else "none was seen here"
    doubt = Doubt(f"vLLM on a GPU has not been measured; {seen}", "there: " + _COMPARE)
    note = "put the address of the machine with the GPU in the place of gpu-a"
    where = " on a machine with a GPU"
    return _vllm(facts, "gpu-a", "http://gpu-a:8000", where, (note,), (doubt,))


def _vllm(
    facts: Facts,
    runner: str,
    url: str,
    where: str,
    notes: tuple[str, ...],
    doubts: tuple[Doubt, ...],
) -> Destination:
    current = facts.current
    flags = [f"--served-model-name {current.model}", f"--max-num-seqs {_VLLM_SLOTS}"]
    if current.context_length is not None:
        flags.append(f"--max-model-len {current.context_length}")
    if Use.TOOLS in facts.uses:
        flags.append("--enable-auto-tool-choice --tool-call-parser FAMILY")
    if Use.THINKING in facts.uses:
        flags.append("--reasoning-parser FAMILY")
    return Destination(
        backend="vllm",
        where=where,
        runner=runner,
        url=url,
        upstream_model=current.model,
        slots=_VLLM_SLOTS,
        start=f"vllm serve HUGGING_FACE_ID {' '.join(flags)}",
        notes=notes,
        doubts=doubts,
    )


def _llama_server(facts: Facts) -> Destination:
    current = facts.current
    context = f" -c {current.context_length * _MAC_SLOTS}" if current.context_length else ""
    return Destination(
        backend="llamacpp",
        where=f" with {_MAC_SLOTS} slots (vLLM has no build for this GPU)",
        runner="box",
        url="http://127.0.0.1:9931",
        upstream_model=current.model,
        slots=_MAC_SLOTS,
        start=f"llama-server -m FILE.gguf --alias {current.model} -np {_MAC_SLOTS}{context}",
        doubts=(
            Doubt(f"llama-server with {_MAC_SLOTS} slots has not been measured here", _COMPARE),
        ),
    )


def needed_gib(engine: Engine) -> float | None:
    """Memory that vLLM needs for the model, from the size in its name; None if there is none."""
    for name in (engine.upstream_model, engine.model):
        found = _BILLIONS.search(name)
        if found:
            return float(found[1]) * 1e9 * _BYTES_A_PARAMETER * _ROOM / 1024**3
    return None
