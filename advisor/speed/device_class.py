"""What kind of device a GPU or a host is, as far as speed goes: backend, generation, and what it moves and computes."""

import re
from dataclasses import dataclass

from advisor.machines.profile import Gpu, MachineProfile

_NVIDIA = {
    "5": "maxwell",
    "6.0": "pascal-hbm",
    "6": "pascal",
    "7.0": "volta",
    "7.2": "xavier",
    "7.5": "turing",
    "8.0": "ampere-hbm",
    "8.6": "ampere",
    "8.7": "orin",
    "8.9": "ada",
    "9.0": "hopper",
    "10.0": "blackwell-hbm",
    "11.0": "gb10",
    "12.0": "blackwell",
    "12.1": "gb10",
}
"""Generations that share their kernels' behaviour, by CUDA compute capability (NVIDIA, CUDA C Programming Guide, appendix
"Compute Capabilities"). Cards with HBM and boards with shared memory have names of their own."""
_APPLE = re.compile(r"\bM(\d+)(?: (Pro|Max|Ultra))?\b")
_APPLE_TFLOPS_A_CORE = 0.41
"""FP32 of one GPU core of an M3 or M4: 128 lanes x 2 x about 1.6 GHz; taken where a profile has no figure (M5, M6)."""
_NO_TENSOR_CORES = 2.1
"""FP16 over FP32 rate of a Turing card without tensor cores (GTX 16) is 2; with them 4 and more."""

_XMX = 8
"""FP16 rate of the matrix units of an Intel GPU over its FP32 rate: 2048 over 256 operations a clock and core (Intel's
descriptions of Xe and Xe2). llama.cpp's Vulkan backend leaves those of the first generation alone (ggml-vulkan.cpp:16230)."""

_DDR4_GB_S, _DDR5_GB_S = 51.2, 89.6
"""Bandwidth taken for system memory that nobody named: two channels of DDR4-3200 or of DDR5-5600, by the age of the GPU."""
_DDR4_GENERATIONS = ("maxwell", "pascal", "volta", "turing", "ampere", "gcn", "rdna1", "rdna2")
_HBM = ("pascal-hbm", "volta", "ampere-hbm", "hopper", "blackwell-hbm", "gcn5", "gcn5.1", "cdna1", "cdna2", "cdna3")
_SMALL_HOST, _LARGE_HOST = 40.0, 130.0
"""GB/s: below, boards and mini computers with one channel; above, servers with eight and more."""


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """One device as the speed terms see it."""

    backend: str
    """"cuda", "metal", "rocm", "vulkan", "sycl", "mlx", "vllm", "transformers"; "cpu" for a host."""
    generation: str
    """Such as "ampere", "rdna3", "m4"; "" where unknown."""
    tier: str
    """Apple's "base", "pro", "max", "ultra"; "unified" and "hbm" by the kind of memory; a host's "small", "middle", "large"."""
    bandwidth: float
    """Bytes a second, as the maker states it or as it was measured."""
    throughput: float | None
    """Floating-point operations a second that matrices can use; None where unknown."""
    shader_throughput: float | None = None
    """Operations a second outside of matrix units, in FP32: what turns quantized weights into numbers; None where unknown."""
    power: float | None = None
    """Watts that the maker lets it draw; None where unknown."""
    assumed: str = ""
    """A sentence, where the bandwidth was assumed."""


def gpu_class(gpu: Gpu, machine: MachineProfile, runtime: str) -> DeviceClass | None:
    """The class of a GPU of `machine`; None where its bandwidth is unknown."""
    bandwidth = gpu.bandwidth_gb_s or (machine.memory.bandwidth_gb_s if machine.kind == "unified" else None)
    if bandwidth is None:
        return None
    generation, tier = _generation(gpu)
    if not tier:
        tier = "unified" if machine.kind == "unified" else "hbm" if generation in _HBM else ""
    backend = runtime if runtime in ("mlx", "vllm", "transformers") else gpu.backend
    return DeviceClass(
        backend, generation, tier, bandwidth * 1e9, _throughput(gpu, generation), _shader_throughput(gpu), gpu.power_w
    )


def host_class(machine: MachineProfile) -> DeviceClass:
    """The class of a machine's processor and memory."""
    known = machine.memory.bandwidth_measured_gb_s or machine.memory.bandwidth_gb_s
    bandwidth = known or _usual_host(machine)
    tier = "small" if bandwidth < _SMALL_HOST else "large" if bandwidth > _LARGE_HOST else "middle"
    said = "" if known else f"The bandwidth of the system memory is not known; {bandwidth:g} GB/s were taken."
    return DeviceClass("cpu", "unified" if machine.kind == "unified" else "", tier, bandwidth * 1e9, None, assumed=said)


def _usual_host(machine: MachineProfile) -> float:
    old = machine.gpus and _generation(machine.gpus[0])[0].startswith(_DDR4_GENERATIONS)
    return _DDR4_GB_S if old else _DDR5_GB_S


def _generation(gpu: Gpu) -> tuple[str, str]:
    if gpu.vendor == "apple":
        found = _APPLE.search(gpu.name)
        return (f"m{found[1]}", (found[2] or "base").lower()) if found else ("", "")
    if gpu.vendor == "nvidia":
        return _nvidia(gpu), ""
    words = (gpu.architecture or "").lower().replace(".0", "").replace(" ", "")
    return words.replace("-hpg", "").replace("-lpg", ""), ""


def _nvidia(gpu: Gpu) -> str:
    capability = gpu.compute_capability or ""
    name = _NVIDIA.get(capability) or _NVIDIA.get(capability.partition(".")[0])
    if name is None:
        name = next((known for known in _NVIDIA.values() if known in (gpu.architecture or "").lower()), "")
    slow = gpu.fp16_tflops and gpu.fp32_tflops and gpu.fp16_tflops / gpu.fp32_tflops < _NO_TENSOR_CORES
    return "turing-plain" if name == "turing" and slow else name


def _throughput(gpu: Gpu, generation: str) -> float | None:
    # the FP16 rate of a Pascal or Maxwell card is a 64th of FP32's; the kernels compute in FP32 and INT8 there
    tflops = gpu.fp32_tflops if generation in ("pascal", "maxwell") else gpu.fp16_tflops or gpu.fp32_tflops
    if gpu.vendor == "intel" and gpu.fp32_tflops and generation.startswith("xe"):
        units = generation != "xe" or gpu.backend != "vulkan"
        tflops = gpu.fp32_tflops * (_XMX if units else 2)
    if tflops is None and gpu.vendor == "apple" and gpu.cores:
        tflops = gpu.cores * _APPLE_TFLOPS_A_CORE
    return None if tflops is None else tflops * 1e12


def _shader_throughput(gpu: Gpu) -> float | None:
    tflops = gpu.fp32_tflops
    if tflops is None and gpu.vendor == "apple" and gpu.cores:
        tflops = gpu.cores * _APPLE_TFLOPS_A_CORE
    return None if tflops is None else tflops * 1e12
