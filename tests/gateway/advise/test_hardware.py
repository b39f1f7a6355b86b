from __future__ import annotations

from pathlib import Path

from gateway.advise.hardware import Gpu, card_gpus, described_by, look, nvidia_gpu
from gateway.bench.result import Machine


def machine(**over: object) -> Machine:
    known = {
        "system": "Linux 6.1",
        "cpu": "Some CPU",
        "cores": 8,
        "cpu_features": ("avx2",),
        "memory_bytes": 16 * 2**30,
        "gpus": (),
    }
    return Machine(**(known | over))  # type: ignore[arg-type] # a table, not the signature


def test_what_nvidias_tool_prints_is_a_gpu_with_its_memory() -> None:
    assert nvidia_gpu("NVIDIA L4, 23034 MiB") == Gpu("NVIDIA", "NVIDIA L4", 23034 / 1024)
    assert nvidia_gpu("NVIDIA L4, [N/A]").memory_gib is None
    assert str(nvidia_gpu("NVIDIA L4, 23034 MiB")) == "NVIDIA L4 with 22 GiB"


def test_a_mac_has_a_gpu_that_vllm_cannot_use() -> None:
    seen = described_by(machine(system="Darwin 25.0", cpu="Apple M3"))
    assert seen.is_mac
    assert seen.vllm_gpus == ()
    assert seen.gpus[0].memory_gib == 16


def test_several_gpus_add_their_memory() -> None:
    seen = described_by(machine(gpus=("NVIDIA L4, 24576 MiB", "NVIDIA L4, 24576 MiB")))
    assert seen.vllm_memory_gib == 48
    assert "no GPU seen" not in str(seen)
    assert "no GPU seen" in str(described_by(machine()))


def test_cards_of_amd_are_found_without_a_tool(tmp_path: Path) -> None:
    for name, vendor, memory in (
        ("card0", "0x1002", str(16 * 2**30)),
        ("card0-HDMI-A-1", "0x1002", "1"),
        ("card1", "0x8086", ""),
        ("card2", "0x10de", ""),
    ):
        (tmp_path / name / "device").mkdir(parents=True)
        (tmp_path / name / "device" / "vendor").write_text(vendor + "\n")
        (tmp_path / name / "device" / "mem_info_vram_total").write_text(memory + "\n")
    assert card_gpus(tmp_path) == (Gpu("AMD", "AMD card0", 16.0), Gpu("NVIDIA", "NVIDIA card2"))
    assert card_gpus(tmp_path / "none") == ()


def test_this_machine_can_be_looked_at() -> None:
    seen = look()
    assert seen.cores >= 1
    assert seen.memory_gib > 0
