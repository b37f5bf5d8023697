"""NVIDIA GPUs: from NVML, and where that gives nothing from `nvidia-smi`."""

from advisor.machines.detect.probe import FoundGpu, NvmlGpu, Part
from advisor.machines.detect.system import System
from advisor.machines.profile import Gpu
from advisor.units import MIB, format_size

_FIELDS = ("name", "memory.total", "memory.reserved", "memory.used", "driver_version", "compute_cap", "pci.bus_id")
SMI_COMMAND = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
_WSL_SMI = "/usr/lib/wsl/lib/nvidia-smi"
_INTEGRATED = ("gb10", "orin", "xavier", "thor", "tegra", "jetson")


def from_nvml(system: System) -> Part | None:
    """The GPUs that NVML lists."""
    rows = system.nvml()
    return None if not rows else _part(rows, "NVML")


def from_smi(system: System) -> Part | None:
    """The GPUs that `nvidia-smi` prints, for machines whose library Python cannot load."""
    text = system.run(SMI_COMMAND)
    if text is None and system.exists(_WSL_SMI):
        text = system.run((_WSL_SMI, *SMI_COMMAND[1:]))
    rows = [] if text is None else [_smi_row(line) for line in text.splitlines() if line.count(",") >= len(_FIELDS) - 1]
    return _part(tuple(rows), "nvidia-smi") if rows else None


def _smi_row(line: str) -> NvmlGpu:
    name, total, reserved, used, driver, capability, pci = (cell.strip() for cell in line.split(",", len(_FIELDS) - 1))
    return NvmlGpu(
        name=name,
        total_bytes=_mib(total),
        reserved_bytes=_mib(reserved),
        used_bytes=_mib(used),
        compute_capability=_known(capability),
        driver=_known(driver),
        link=None,
        pci=_known(pci),
    )


def _mib(cell: str) -> int | None:
    return int(cell) * MIB if cell.isdigit() else None


def _known(cell: str) -> str | None:
    """None for "[N/A]", "[Not Supported]", "[Insufficient Permissions]" and the like."""
    return None if not cell or cell.startswith("[") or cell == "N/A" else cell


def _part(rows: tuple[NvmlGpu, ...], via: str) -> Part:
    return Part(
        gpus=tuple(_found(row, via) for row in rows),
        facts=tuple((row.name, _fact(row)) for row in rows),
    )


def _fact(row: NvmlGpu) -> str:
    size = (
        "no memory of its own"
        if row.total_bytes is None
        else f"{format_size(row.total_bytes)}, {format_size(row.used_bytes)} in use"
    )
    return f"{size}, driver {row.driver}" if row.driver else size


def _found(row: NvmlGpu, via: str) -> FoundGpu:
    # a GPU that shares the system's memory either has no memory to report (GB10, Jetson) or is named after its system
    integrated = row.total_bytes is None or any(word in row.name.lower() for word in _INTEGRATED)
    capacity = None if integrated or row.total_bytes is None else row.total_bytes - (row.reserved_bytes or 0)
    gpu = Gpu(
        name=row.name if row.name.startswith("NVIDIA") else f"NVIDIA {row.name}",
        vendor="nvidia",
        backend="cuda",
        capacity_bytes=capacity,
        in_use_bytes=None if integrated else row.used_bytes,
        compute_capability=row.compute_capability,
        driver=row.driver,
        link=row.link,
    )
    return FoundGpu(gpu, integrated, f"{via} (total memory less what the driver reserves)" if capacity else via)
