"""Intel GPUs from the kernel's files. The drivers do not say how much memory a card has: its name tells, by the library."""

from advisor.machines.detect.probe import FoundGpu, Part
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu

VENDOR = "0x8086"
# PCI device ids (linux include/drm/intel/pciids.h: INTEL_DG2, INTEL_BMG, INTEL_LNL) and their names on the box
_CARDS = {
    0x56A0: "Intel Arc A770",
    0x56A1: "Intel Arc A750",
    0x56A2: "Intel Arc A580",
    0x56A5: "Intel Arc A380",
    0x56A6: "Intel Arc A310",
    0x5690: "Intel Arc A770M",
    0xE20B: "Intel Arc B580",
    0xE20C: "Intel Arc B570",
    0xE211: "Intel Arc Pro B60",
    0xE212: "Intel Arc Pro B50",
}
_INTEGRATED = {0x64A0: "Intel Arc 140V"}


def from_sysfs(system: System) -> Part | None:
    """Arc cards and integrated Arc GPUs; other integrated graphics are named but not used."""
    found, facts = [], []
    for path in system.glob("/sys/class/drm/card[0-9]*/device/vendor"):
        if system.read(path) != VENDOR:
            continue
        folder = path.removesuffix("/vendor")
        device = int(system.read(f"{folder}/device") or "0", 16)
        name = _CARDS.get(device) or _INTEGRATED.get(device)
        if name is None:
            facts.append((f"Intel graphics {device:04x}", "left out: not known as a GPU that engines run on"))
            continue
        integrated = device in _INTEGRATED
        gpu = Gpu(name=name, vendor="intel", backend="vulkan", driver=_driver(system, folder))
        found.append(FoundGpu(gpu, integrated, "sysfs device id"))
        facts.append((name, "shares the system memory" if integrated else "a card with memory of its own"))
    return Part(gpus=tuple(found), facts=tuple(facts)) if facts else None


def _driver(system: System, folder: str) -> str | None:
    line = next((row for row in (system.read(f"{folder}/uevent") or "").splitlines() if row.startswith("DRIVER=")), "")
    return line.removeprefix("DRIVER=") or None
