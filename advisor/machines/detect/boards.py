"""Boards that name themselves in their device tree: Raspberry Pi and NVIDIA Jetson."""

from advisor.machines.detect.probe import FoundGpu, Part
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import GIB

# Module numbers in `compatible` (linux arch/arm64/boot/dts/nvidia; RidgeRun and jetson_stats list them with their sizes)
_JETSON_MODULES = {
    "p3767-0000": "jetson-orin-nx-16gb",
    "p3767-0001": "jetson-orin-nx-8gb",
    "p3767-0003": "jetson-orin-nano-8gb",
    "p3767-0004": "jetson-orin-nano-4gb",
    "p3767-0005": "jetson-orin-nano-8gb",
    "p3701-0000": "jetson-agx-orin-32gb",
    "p3701-0004": "jetson-agx-orin-32gb",
    "p3701-0005": "jetson-agx-orin-64gb",
    "p3668-0000": "jetson-xavier-nx-8gb",
    "p3668-0001": "jetson-xavier-nx-8gb",
    "p2888-0001": "jetson-agx-xavier-32gb",
    "p3448-0000": "jetson-nano",
    "p3448-0002": "jetson-nano",
    "p3310-1000": "jetson-tx2",
}
_JETSON_NAMES = (("Orin NX", "jetson-orin-nx-8gb"), ("Orin Nano", "jetson-orin-nano-8gb"), ("AGX Orin", "jetson-agx-orin-32gb"))
_TREES = ("/proc/device-tree", "/sys/firmware/devicetree/base")


def from_device_tree(system: System) -> Part | None:
    """The board, by the model and the compatible list of its device tree."""
    for tree in _TREES:
        model = system.read(f"{tree}/model")
        if not model:
            continue
        compatible = (system.read(f"{tree}/compatible") or "").replace("\0", " ")
        if model.startswith("Raspberry Pi"):
            id_ = _raspberry(model, system)
            return Part(name=model, profile_id=id_, facts=(("board", model),))
        if "nvidia,tegra" in compatible or "Jetson" in model:
            return _jetson(model, compatible)
        return Part(facts=(("board", model),))
    return None


def _raspberry(model: str, system: System) -> str | None:
    """The profile with the same memory chip: bandwidth depends on the model, not on the size."""
    if model.startswith("Raspberry Pi 500"):
        return "rpi-500plus-16gb"
    if model.startswith("Raspberry Pi 5"):
        return "rpi-5-8gb" if (_total(system) or 0) <= 8 * GIB else "rpi-5-16gb"
    if model.startswith("Raspberry Pi 400"):
        return "rpi-400-4gb"
    return "rpi-4" if model.startswith("Raspberry Pi 4") else None


def _total(system: System) -> int | None:
    line = next((row for row in (system.read("/proc/meminfo") or "").splitlines() if row.startswith("MemTotal:")), "")
    cells = line.split()
    return int(cells[1]) * 1024 if len(cells) > 1 else None


def _jetson(model: str, compatible: str) -> Part:
    by_module = next((id_ for module, id_ in _JETSON_MODULES.items() if module in compatible), None)
    id_ = by_module or next((id_ for words, id_ in _JETSON_NAMES if words in model), None)
    gpu = FoundGpu(Gpu(name=model, vendor="nvidia", backend="cuda"), integrated=True, via="device tree")
    return Part(name=model, profile_id=id_, gpus=(gpu,), facts=(("board", f"{model} ({id_ or 'module not known'})"),))
