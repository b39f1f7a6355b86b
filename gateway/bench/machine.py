"""What this machine is, as far as it decides how fast a model runs on it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from gateway.bench.result import Machine

_FEATURES = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_ASK_S = 3.0


def this_machine() -> Machine:
    """Look. Blocks, for a few seconds at worst, when a GPU's driver is slow to answer."""
    info = _text("/proc/cpuinfo")
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu(info),
        cores=_cores(),
        cpu_features=_features(info),
        memory_bytes=_memory_bytes(),
        gpus=_gpus(),
    )


def _cpu(info: str) -> str:
    named = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    if named:
        return named[1].strip()
    return _asked("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _features(info: str) -> tuple[str, ...]:
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info, re.MULTILINE)
    known = set(listed[1].split()) if listed else set()
    return tuple(feature for feature in _FEATURES if feature in known)


def _memory_bytes() -> int:
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    # A container may be allowed less than the machine has.
    sizes.extend(int(limit) for path in _CGROUP_LIMITS if (limit := _text(path).strip()).isdigit())
    return min(sizes)


def _gpus() -> tuple[str, ...]:
    listed = _asked("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    return tuple(line.strip() for line in listed.splitlines() if line.strip())


def _asked(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=_ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
