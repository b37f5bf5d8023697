"""GPUs on Windows that NVML does not know, from the registry: WMI's `AdapterRAM` ends at 4 GiB, `qwMemorySize` does not."""

import re

from advisor.machines.detect.probe import FoundGpu, Part
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import GIB, format_size

# The display adapters' class (learn.microsoft.com, system-defined device setup classes); sebhildebrandt/systeminformation#534
_CLASS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
REGISTRY_COMMAND = ("reg", "query", _CLASS, "/s")
_WANTED = ("DriverDesc", "DriverVersion", "HardwareInformation.qwMemorySize")
_LEAST_CARD = 2 * GIB
"""Integrated graphics show 128 MiB to 1 GiB here."""


def from_registry(system: System) -> Part | None:
    """One GPU for each display adapter with a driver; NVIDIA's are left to NVML."""
    text = system.run(REGISTRY_COMMAND)
    if text is None:
        return None
    found, facts = [], []
    for section in re.split(r"^HKEY_", text, flags=re.MULTILINE)[1:]:
        if not re.match(r"[^\n]*\\\d{4}\s*$", section.splitlines()[0]):
            continue
        values = _values(section)
        name, size = values.get("DriverDesc", ""), values.get("HardwareInformation.qwMemorySize", "")
        total = int(size, 16) if size.startswith("0x") else None
        facts.append((name or "adapter without a name", format_size(total)))
        vendor = "amd" if "AMD" in name or "Radeon" in name else "intel" if "Intel" in name else None
        if vendor is None or total is None or total < _LEAST_CARD:
            continue
        clean = " ".join(name.replace("(R)", "").replace("(TM)", "").removesuffix("Graphics").split())
        gpu = Gpu(name=clean, vendor=vendor, backend="vulkan", memory_bytes=total, driver=values.get("DriverVersion"))
        found.append(FoundGpu(gpu, integrated=False, via="registry qwMemorySize"))
    return Part(gpus=tuple(found), facts=tuple(facts)) if facts else None


def _values(section: str) -> dict[str, str]:
    rows = (re.split(r"\s{2,}", line.strip(), maxsplit=2) for line in section.splitlines())
    return {row[0]: row[2].strip() for row in rows if len(row) == 3 and row[0] in _WANTED}
