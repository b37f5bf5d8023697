"""AMD GPUs from AMD's own programs, where the kernel's files are hidden (containers): `amd-smi`, and before it `rocm-smi`."""

import json
from typing import Any

from advisor.machines.detect.amd import INTEGRATED, SMALL, hexadecimal, number
from advisor.machines.detect.probe import FoundGpu, Part, ProbeError
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import MIB, format_size

AMD_SMI_COMMAND = ("amd-smi", "static", "--asic", "--vram", "--driver", "--json")
ROCM_SMI_COMMAND = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json")
_SMALL_ARCHITECTURES = frozenset({"gfx1036"})
"""Raphael and Granite Ridge, for output without a device id."""


def from_amd_smi(system: System) -> Part | None:
    """What `amd-smi static --json` prints: a list of GPUs, in newer versions below "gpu_data"."""
    text = system.run(AMD_SMI_COMMAND)
    if text is None:
        return None
    answer = _json(text, "amd-smi", "[{")
    rows = answer.get("gpu_data", []) if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise ProbeError("amd-smi printed something that is not a list of GPUs")
    return _part([found for row in rows if isinstance(row, dict) and (found := _amd_smi_gpu(row)) is not None])


def from_rocm_smi(system: System) -> Part | None:
    """What `rocm-smi --json` prints: one object a card, and one for the driver."""
    text = system.run(ROCM_SMI_COMMAND)
    if text is None:
        return None
    answer = _json(text, "rocm-smi", "{")
    cards = [card for key, card in answer.items() if key.startswith("card") and isinstance(card, dict)]
    driver = _object(answer, "system").get("Driver version")
    return _part([found for card in cards if (found := _rocm_smi_gpu(card, driver)) is not None])


def _json(text: str, program: str, openings: str) -> Any:
    """The JSON in `text`, behind the warnings that these programs print before it."""
    start = min((text.index(opening) for opening in openings if opening in text), default=-1)
    try:
        if start >= 0:
            return json.loads(text[start:])
    except ValueError:
        pass
    raise ProbeError(f"{program} printed something that is not JSON")


def _part(found: list[FoundGpu]) -> Part | None:
    facts = tuple((gpu.gpu.name, "shares the system memory" if gpu.integrated else _own(gpu)) for gpu in found)
    return Part(gpus=tuple(found), facts=facts) if found else None


def _own(found: FoundGpu) -> str:
    return f"{format_size(found.gpu.capacity_bytes)} of its own"


def _amd_smi_gpu(row: dict[str, Any]) -> FoundGpu | None:
    asic, vram, driver = (_object(row, key) for key in ("asic", "vram", "driver"))
    size = vram.get("size")
    cells = [str(size.get("value")), str(size.get("unit"))] if isinstance(size, dict) else str(size).split()
    total = number(cells[0]) if len(cells) > 1 and cells[1] == "MB" else None
    small = asic.get("target_graphics_version") in _SMALL_ARCHITECTURES
    if total is None or small:
        return None
    version = str(driver.get("version", driver.get("driver_version", ""))) or None
    device = hexadecimal(str(asic.get("device_id", "")))
    return _gpu(str(asic.get("market_name", "GPU")), device, total * MIB, None, version, "amd-smi")


def _object(row: dict[str, Any], key: str) -> dict[str, Any]:
    """The object below `key`; empty where there is none ("N/A")."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _rocm_smi_gpu(card: dict[str, Any], driver: str | None) -> FoundGpu | None:
    total = number(str(card.get("VRAM Total Memory (B)", "")))
    device = hexadecimal(str(card.get("Card Model", card.get("Card model", card.get("Device ID", "")))))
    if total is None:
        return None
    series = str(card.get("Card Series", card.get("Card series", card.get("Device Name", "GPU"))))
    if "[" in series and series.endswith("]"):
        series = series[series.index("[") + 1 : -1]  # "Navi 31 [Radeon RX 7900 XT/7900 XTX/...]": the memory tells which
    used = number(str(card.get("VRAM Total Used Memory (B)", "")))
    return _gpu(series, device, total, used, driver, "rocm-smi")


def _gpu(name: str, device: int | None, total: int, used: int | None, driver: str | None, via: str) -> FoundGpu | None:
    if device in SMALL:
        return None
    known = INTEGRATED.get(device) if device is not None else None
    gpu = Gpu(
        name=known or (name if name.startswith("AMD") else f"AMD {name}"),
        vendor="amd",
        backend="rocm",
        capacity_bytes=None if known else total,
        in_use_bytes=None if known else used,
        driver=driver,
    )
    return FoundGpu(gpu, integrated=known is not None, via=via)
