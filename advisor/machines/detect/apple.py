"""Macs: chip and memory from `sysctl`, GPU cores from `system_profiler`, the GPU's limit from `mlx` where it is installed."""

import json
import sys

from advisor.machines.apple_limit import NEWER_MACOS
from advisor.machines.detect.probe import FoundGpu, Part, ProbeError
from advisor.machines.detect.system import System
from advisor.machines.profile import Cpu, Gpu
from advisor.units import MIB, format_size, parse_size

_KEYS = (
    "hw.memsize",
    "hw.model",
    "hw.logicalcpu",
    "hw.physicalcpu",
    "hw.perflevel0.physicalcpu",
    "hw.perflevel1.physicalcpu",
    "machdep.cpu.brand_string",
    "kern.osproductversion",
    "iogpu.wired_limit_mb",
    "hw.optional.neon",
    "hw.optional.arm.FEAT_DotProd",
    "hw.optional.arm.FEAT_I8MM",
    "hw.optional.arm.FEAT_BF16",
    "hw.optional.arm.FEAT_SME",
    "hw.optional.avx2_0",
    "hw.optional.avx512f",
)
SYSCTL_COMMAND = ("sysctl", *_KEYS)
PROFILER_COMMAND = ("system_profiler", "SPDisplaysDataType", "-json")
_SETS = {
    "hw.optional.neon": "neon",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512f",
}
_MLX = "import json, mlx.core as mx; i = mx.device_info(); print(json.dumps(i.get('max_recommended_working_set_size')))"
MLX_COMMAND = (sys.executable, "-c", _MLX)


def from_sysctl(system: System) -> Part | None:
    """Chip, memory, cores and a limit that was set by hand. Keys that this macOS does not have are left out."""
    text = system.run(SYSCTL_COMMAND)
    if text is None:
        return None
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    chip = said.get("machdep.cpu.brand_string")
    cpu = Cpu(
        name=chip,
        performance_cores=_number(said.get("hw.perflevel0.physicalcpu") or said.get("hw.physicalcpu")),
        efficiency_cores=_number(said.get("hw.perflevel1.physicalcpu", "0")),
        threads=_number(said.get("hw.logicalcpu")),
        instruction_sets=tuple(name for key, name in _SETS.items() if said.get(key) == "1"),
    )
    gpus: tuple[FoundGpu, ...] = ()
    wired = (_number(said.get("iogpu.wired_limit_mb")) or 0) * MIB or None
    if chip and chip.startswith("Apple"):
        gpus = (FoundGpu(Gpu(name=chip, vendor="apple", backend="metal"), integrated=True, via="sysctl", limit_bytes=wired),)
    version = said.get("kern.osproductversion", "").split(".")[0]
    newer = int(version) >= NEWER_MACOS if version.isdigit() else None
    facts = [("chip", chip or "unknown"), ("memory", format_size(_number(said.get("hw.memsize"))))]
    facts.append(("iogpu.wired_limit_mb", "not set" if wired is None else format_size(wired)))
    return Part(name=chip, cpu=cpu, gpus=gpus, newer_macos=newer, facts=tuple(facts))


def from_system_profiler(system: System) -> Part | None:
    """The GPU with its number of cores; on Intel Macs a card with its own memory."""
    text = system.run(PROFILER_COMMAND)
    if text is None:
        return None
    try:
        rows = json.loads(text)["SPDisplaysDataType"]
    except (ValueError, KeyError, TypeError):
        raise ProbeError("system_profiler printed something that is not its JSON") from None
    found, facts = [], []
    for row in rows:
        name = str(row.get("sppci_model", row.get("_name", "GPU")))
        cores = _number(str(row.get("sppci_cores", "")))
        vram = row.get("spdisplays_vram")
        facts.append((name, f"{cores} cores" if cores else f"memory {vram or 'unknown'}"))
        if row.get("spdisplays_vendor") == "sppci_vendor_Apple":
            found.append(
                FoundGpu(Gpu(name=name, vendor="apple", backend="metal", cores=cores), integrated=True, via="system_profiler")
            )
        elif isinstance(vram, str):
            size = parse_size(vram.replace("GB", "GiB").replace("MB", "MiB"))
            found.append(
                FoundGpu(
                    Gpu(name=name, vendor="other", backend="metal", memory_bytes=size), integrated=False, via="system_profiler"
                )
            )
    return Part(gpus=tuple(found), facts=tuple(facts))


def from_mlx(system: System) -> Part | None:
    """Metal's own figure of the limit, asked in a process of its own: importing mlx can end a program."""
    try:
        text = system.run(MLX_COMMAND)
    except ProbeError:
        return None
    size = _number((text or "").strip())
    if size is None:
        return None
    gpu = FoundGpu(
        Gpu(name="Apple", vendor="apple", backend="metal"), integrated=True, via="mlx.core.device_info", limit_bytes=size
    )
    return Part(gpus=(gpu,), facts=(("max_recommended_working_set_size", format_size(size)),))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None
