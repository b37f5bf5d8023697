"""NVIDIA's management library, asked through nvidia-ml-py. The only place that imports it."""

from collections.abc import Callable
from typing import Any

from advisor.machines.detect.probe import NvmlGpu, ProbeError


def query() -> tuple[NvmlGpu, ...] | None:
    """One row a GPU; None where no NVIDIA driver is installed. Raises ProbeError with the usual cause where it fails."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return None
    except pynvml.NVMLError_DriverNotLoaded:
        raise ProbeError("the NVIDIA driver is installed but not loaded; restart, or load the nvidia kernel module") from None
    except pynvml.NVMLError as error:
        if getattr(error, "value", None) == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            raise ProbeError("the NVIDIA driver and its library have different versions; a restart helps") from None
        raise ProbeError(f"NVML says: {error}") from None
    try:
        driver = _ask(pynvml, pynvml.nvmlSystemGetDriverVersion)
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        return tuple(_row(pynvml, handle, driver) for handle in handles)
    except pynvml.NVMLError as error:
        raise ProbeError(f"NVML says: {error}") from None
    finally:
        pynvml.nvmlShutdown()


def _row(nvml: Any, card: Any, driver: str | None) -> NvmlGpu:
    handle = _largest_part(nvml, card)
    # version 2 tells what the driver keeps for itself, which programs cannot allocate; version 1 hides it in "used"
    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)) or _ask(
        nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle)
    )
    capability = _ask(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(card))
    generation = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(card))
    width = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(card))
    pci = _ask(nvml, lambda: nvml.nvmlDeviceGetPciInfo(card).busId)
    return NvmlGpu(
        name=_text(nvml.nvmlDeviceGetName(handle)),
        total_bytes=memory.total if memory else None,
        reserved_bytes=getattr(memory, "reserved", None) if memory else None,
        used_bytes=memory.used if memory else None,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        driver=_text(driver) if driver else None,
        link=f"PCIe {generation}.0 x{width}" if generation and width else None,
        pci=_text(pci) if pci else None,
    )


def _largest_part(nvml: Any, card: Any) -> Any:
    """The card itself, or where it is cut into parts (MIG) the largest: a CUDA program sees one part only.

    docs.nvidia.com/datacenter/tesla/mig-user-guide: "CUDA can only enumerate a single compute instance".
    """
    mode = _ask(nvml, lambda: nvml.nvmlDeviceGetMigMode(card))
    if not mode or mode[0] != 1:
        return card
    most = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(card)) or 0
    parts = [part for index in range(most) if (part := _mig_part(nvml, card, index)) is not None]
    return max(parts, key=lambda part: part[0])[1] if parts else card


def _mig_part(nvml: Any, card: Any, index: int) -> tuple[int, Any] | None:
    part = _ask(nvml, lambda: nvml.nvmlDeviceGetMigDeviceHandleByIndex(card, index))
    memory = None if part is None else _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(part))
    return None if memory is None else (memory.total, part)


def _ask(nvml: Any, question: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU or driver does not know (integrated GPUs know little)."""
    try:
        return question()
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
