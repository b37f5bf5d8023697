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
        return tuple(_row(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index), driver) for index in range(count))
    except pynvml.NVMLError as error:
        raise ProbeError(f"NVML says: {error}") from None
    finally:
        pynvml.nvmlShutdown()


def _row(nvml: Any, handle: Any, driver: str | None) -> NvmlGpu:
    # version 2 tells what the driver keeps for itself, which programs cannot allocate; version 1 hides it in "used"
    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)) or _ask(
        nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle)
    )
    capability = _ask(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    generation = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(handle))
    width = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle))
    pci = _ask(nvml, lambda: nvml.nvmlDeviceGetPciInfo(handle).busId)
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


def _ask(nvml: Any, question: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU or driver does not know (integrated GPUs know little)."""
    try:
        return question()
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
