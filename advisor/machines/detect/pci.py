"""Display cards on the PCI bus whose driver does not answer: the usual reason why "my GPU is not found"."""

from advisor.machines.detect.probe import Part
from advisor.machines.detect.system import System

_VENDORS = {"0x10de": ("NVIDIA", "nvidia"), "0x1002": ("AMD", "amdgpu")}


def without_driver(system: System) -> Part | None:
    """A note for each NVIDIA or AMD display device that no fitting kernel driver has taken."""
    notes, facts = [], []
    for path in system.glob("/sys/bus/pci/devices/*/class"):
        kind = system.read(path) or ""
        if not kind.startswith(("0x0300", "0x0302")):
            continue
        folder = path.removesuffix("/class")
        vendor, device = system.read(f"{folder}/vendor") or "", (system.read(f"{folder}/device") or "").removeprefix("0x")
        uevent = system.read(f"{folder}/uevent") or ""
        driver = next((line.removeprefix("DRIVER=") for line in uevent.splitlines() if line.startswith("DRIVER=")), None)
        facts.append((f"PCI {vendor.removeprefix('0x')}:{device}", f"driver {driver or 'none'}"))
        if vendor in _VENDORS and driver != _VENDORS[vendor][1]:
            maker, wanted = _VENDORS[vendor]
            held = f"is held by the driver {driver}" if driver else "has no driver"
            notes.append(f"An {maker} GPU (PCI {vendor.removeprefix('0x')}:{device}) {held}; engines need the driver {wanted}.")
    return Part(notes=tuple(notes), facts=tuple(facts)) if facts else None
