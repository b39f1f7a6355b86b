"""What can be seen of the machine a runner works on: accelerators, memory, its processor."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from gateway.bench.machine import this_machine
from gateway.bench.result import Machine

_GIB = 1024**3
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD"}
"""By PCI id. Intel's are left out: most share the main memory, and serve no model faster."""
_MEMORY = re.compile(r"(?P<name>.+), (?P<mebibytes>\d+) MiB")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator."""

    vendor: str
    name: str
    memory_gib: float | None = None

    @property
    def runs_vllm(self) -> bool:
        """Whether vLLM has a released build for it."""
        return self.vendor in ("NVIDIA", "AMD")

    def __str__(self) -> str:
        memory = "" if self.memory_gib is None else f" with {self.memory_gib:.0f} GiB"
        return f"{self.name}{memory}"


@dataclass(frozen=True, slots=True)
class Hardware:
    """One machine. What could not be seen is empty."""

    system: str
    processor: str
    cores: int
    memory_gib: float
    features: tuple[str, ...] = ()
    """Of the processor, those on which the speed of a model depends."""
    gpus: tuple[Gpu, ...] = ()

    @property
    def is_mac(self) -> bool:
        """Whether its GPU is Apple's, for which llama.cpp has a build and vLLM has none."""
        return self.system.startswith("Darwin")

    @property
    def vllm_gpus(self) -> tuple[Gpu, ...]:
        """The accelerators that vLLM can use."""
        return tuple(gpu for gpu in self.gpus if gpu.runs_vllm)

    @property
    def vllm_memory_gib(self) -> float:
        """Memory of all accelerators that vLLM can use; 0 when there is none or it is not told."""
        return sum(gpu.memory_gib or 0.0 for gpu in self.vllm_gpus)

    def __str__(self) -> str:
        parts = [f"{self.processor}, {self.cores} cores", f"{self.memory_gib:.0f} GiB of memory"]
        if self.features:
            parts.append(", ".join(self.features))
        parts += [str(gpu) for gpu in self.gpus] or ["no GPU seen"]
        return "; ".join(parts)


def described_by(machine: Machine) -> Hardware:
    """The machine that a benchmark's result describes."""
    gpus = tuple(map(nvidia_gpu, machine.gpus))
    memory_gib = machine.memory_bytes / _GIB
    if machine.system.startswith("Darwin") and machine.cpu.startswith("Apple"):
        gpus = (Gpu("Apple", f"{machine.cpu} GPU", memory_gib),)  # it shares the main memory
    return Hardware(
        machine.system, machine.cpu, machine.cores, memory_gib, machine.cpu_features, gpus
    )


def look() -> Hardware:
    """Look at this machine. Blocks for some seconds at worst; never raises."""
    seen = described_by(this_machine())
    if platform.system() != "Linux" or seen.gpus:
        return seen
    gpus = card_gpus(Path("/sys/class/drm"))
    return Hardware(seen.system, seen.processor, seen.cores, seen.memory_gib, seen.features, gpus)


def nvidia_gpu(line: str) -> Gpu:
    """What `nvidia-smi --query-gpu=name,memory.total --format=csv,noheader` says of one."""
    found = _MEMORY.fullmatch(line)
    if found is None:
        return Gpu("NVIDIA", line)
    return Gpu("NVIDIA", found["name"], int(found["mebibytes"]) / 1024)


def card_gpus(folder: Path) -> tuple[Gpu, ...]:
    """The graphics cards in Linux' sysfs, for those whose vendor's tool is not installed."""
    gpus = []
    for card in sorted(folder.glob("card[0-9]*")):
        vendor = _VENDORS.get(_text(card / "device" / "vendor"))
        if "-" in card.name or vendor is None:  # card0-HDMI-A-1 is a socket of a card
            continue
        memory = _text(card / "device" / "mem_info_vram_total")
        gib = int(memory) / _GIB if memory.isdecimal() else None
        gpus.append(Gpu(vendor, f"{vendor} {card.name}", gib))
    return tuple(gpus)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
