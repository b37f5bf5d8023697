"""AMD GPUs: from the kernel's files (`/sys/class/drm`), and their names and sizes from `rocm-smi` where those do not say."""

import json
from typing import Any

from advisor.machines.detect.probe import FoundGpu, Part, ProbeError
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import format_size

VENDOR = "0x1002"
ROCM_COMMAND = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json")
_PAGE = 4096
_NAME_FILES = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
# Integrated GPUs by PCI device id (pci-ids.ucw.cz, vendor 1002) with their marketing names where libdrm has none
_INTEGRATED: dict[int, str] = {
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
        vram = _number(system.read(f"{folder}/mem_info_vram_total"))
        gtt = _number(system.read(f"{folder}/mem_info_gtt_total"))
        if vram is None:
            continue
        name = _name(system, folder, device)
        integrated = device in _INTEGRATED and (gtt or 0) >= vram
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
    used = _number(system.read(f"{folder}/mem_info_vram_used"))
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
    pages = _number(system.read("/sys/module/ttm/parameters/pages_limit"))
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
            if len(cells) == 3 and _hex(cells[0]) == device and _hex(cells[1]) == revision:
                return cells[2] if cells[2].startswith("AMD") else f"AMD {cells[2]}"
    return _INTEGRATED.get(device, f"AMD GPU {device:04x}")


def _link(system: System, folder: str) -> str | None:
    speed, width = system.read(f"{folder}/max_link_speed"), system.read(f"{folder}/max_link_width")
    generation = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}.get((speed or "").split(" ")[0])
    return f"PCIe {generation}.0 x{width}" if generation and width else None


def from_rocm_smi(system: System) -> Part | None:
    """What `rocm-smi` prints, for systems whose kernel files are hidden (containers)."""
    text = system.run(ROCM_COMMAND)
    if text is None:
        return None
    try:
        answer = json.loads(text[text.index("{") :])
    except ValueError:
        raise ProbeError("rocm-smi printed something that is not JSON") from None
    cards = [(key, value) for key, value in answer.items() if key.startswith("card") and isinstance(value, dict)]
    found = [gpu for _, card in cards if (gpu := _smi_card(card, answer.get("system", {}))) is not None]
    facts = tuple((gpu.gpu.name, f"{format_size(gpu.gpu.capacity_bytes)} of its own") for gpu in found)
    return Part(gpus=tuple(found), facts=facts) if found else None


def _smi_card(card: dict[str, Any], system_wide: dict[str, Any]) -> FoundGpu | None:
    total = _number(str(card.get("VRAM Total Memory (B)", "")))
    device = _hex(str(card.get("Card Model", card.get("Card model", card.get("Device ID", "")))))
    if total is None or device in SMALL:
        return None
    series = str(card.get("Card Series", card.get("Card series", card.get("Device Name", "GPU"))))
    if "[" in series and series.endswith("]"):
        series = series[series.index("[") + 1 : -1]  # "Navi 31 [Radeon RX 7900 XT/7900 XTX/...]": the memory tells which
    integrated = device in _INTEGRATED
    gpu = Gpu(
        name=_INTEGRATED[device] if integrated and device else series if series.startswith("AMD") else f"AMD {series}",
        vendor="amd",
        backend="rocm",
        capacity_bytes=None if integrated else total,
        in_use_bytes=None if integrated else _number(str(card.get("VRAM Total Used Memory (B)", ""))),
        driver=str(system_wide["Driver version"]) if "Driver version" in system_wide else None,
        architecture=None,
    )
    return FoundGpu(gpu, integrated, "rocm-smi")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
