"""AMD GPUs from the kernel's files (`/sys/class/drm`)."""

from advisor.machines.detect.probe import FoundGpu, Part
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import format_size

VENDOR = "0x1002"
_PAGE = 4096
_NAME_FILES = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
# Integrated GPUs by PCI device id (pci-ids.ucw.cz, vendor 1002) with their marketing names where libdrm has none
INTEGRATED: dict[int, str] = {
    0x1586: "AMD Radeon 8060S",
    0x150E: "AMD Radeon 890M",
    0x1114: "AMD Radeon 860M",
    0x15BF: "AMD Radeon 780M",
    0x15C8: "AMD Radeon 740M",
    0x1900: "AMD Radeon 780M",
    0x1901: "AMD Radeon 740M",
    0x1681: "AMD Radeon 680M",
    0x1638: "AMD Radeon Graphics (Cezanne)",
    0x15E7: "AMD Radeon Graphics (Barcelo)",
    0x164C: "AMD Radeon Graphics (Lucienne)",
    0x1636: "AMD Radeon Graphics (Renoir)",
    0x163F: "AMD Custom GPU (Van Gogh)",
    0x1506: "AMD Radeon 610M",
    0x164E: "AMD Radeon Graphics (Raphael)",
    0x13C0: "AMD Radeon Graphics (Granite Ridge)",
    0x15D8: "AMD Radeon Vega Graphics (Picasso)",
    0x15DD: "AMD Radeon Vega Graphics (Raven Ridge)",
}
SMALL = frozenset({0x164E, 0x13C0})
"""Two compute units for the desktop's picture only; engines are not helped by them."""


def from_sysfs(system: System) -> Part | None:
    """Every card that the amdgpu driver runs. A GPU that shares the system's memory has its limit from the GTT."""
    found, facts = [], []
    for folder in _cards(system):
        device = int(system.read(f"{folder}/device") or "0", 16)
        vram = number(system.read(f"{folder}/mem_info_vram_total"))
        gtt = number(system.read(f"{folder}/mem_info_gtt_total"))
        if vram is None:
            continue
        name = _name(system, folder, device)
        integrated = device in INTEGRATED and (gtt or 0) >= vram
        facts.append((name, f"{format_size(vram)} of its own, {format_size(gtt)} shared (GTT)"))
        if device in SMALL:
            facts.append((name, "left out: it only shows the picture"))
            continue
        found.append(_found(system, folder, name, vram, gtt, integrated=integrated))
    return Part(gpus=tuple(found), facts=tuple(facts)) if facts else None


def _cards(system: System) -> list[str]:
    folders = [path.removesuffix("/vendor") for path in system.glob("/sys/class/drm/card[0-9]*/device/vendor")]
    return [folder for folder in folders if system.read(f"{folder}/vendor") == VENDOR]


def _found(system: System, folder: str, name: str, vram: int, gtt: int | None, *, integrated: bool) -> FoundGpu:
    used = number(system.read(f"{folder}/mem_info_vram_used"))
    gpu = Gpu(
        name=name,
        vendor="amd",
        backend="rocm" if system.exists("/dev/kfd") else "vulkan",
        capacity_bytes=None if integrated else vram,
        in_use_bytes=None if integrated else used,
        driver=system.read("/sys/module/amdgpu/version"),
        link=None if integrated else _link(system, folder),
    )
    return FoundGpu(gpu, integrated, "sysfs mem_info_vram_total", limit_bytes=_limit(system, gtt) if integrated else None)


def _limit(system: System, gtt: int | None) -> int | None:
    """The GTT, but no more than the kernel's page limit: `amdgpu.gttsize` alone raises the first and not the second.

    ROCm/legacy-rocm-build#6004: 128 GiB of GTT, 62.47 GiB for HIP.
    """
    pages = number(system.read("/sys/module/ttm/parameters/pages_limit"))
    return min(gtt, pages * _PAGE) if gtt is not None and pages else gtt


def _name(system: System, folder: str, device: int) -> str:
    """The marketing name: the driver's own, libdrm's table by device and revision, or ours for integrated ones."""
    said = system.read(f"{folder}/product_name")
    if said:
        return said if said.startswith("AMD") else f"AMD {said}"
    revision = int(system.read(f"{folder}/revision") or "0", 16)
    for path in _NAME_FILES:
        for line in (system.read(path) or "").splitlines():
            cells = [cell.strip() for cell in line.split(",", 2)]
            if len(cells) == 3 and hexadecimal(cells[0]) == device and hexadecimal(cells[1]) == revision:
                return cells[2] if cells[2].startswith("AMD") else f"AMD {cells[2]}"
    return INTEGRATED.get(device, f"AMD GPU {device:04x}")


def _link(system: System, folder: str) -> str | None:
    speed, width = system.read(f"{folder}/max_link_speed"), system.read(f"{folder}/max_link_width")
    generation = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}.get((speed or "").split(" ")[0])
    return f"PCIe {generation}.0 x{width}" if generation and width else None


def number(text: str | None) -> int | None:
    """A whole number as it stands; None for anything else."""
    return int(text) if text and text.isdigit() else None


def hexadecimal(text: str) -> int | None:
    """A number such as "0x744c" or "744C"; None for anything else."""
    try:
        return int(text, 16)
    except ValueError:
        return None
