"""What a run takes beyond the engine's own buffers, and what the system keeps for itself. Grade: typical, on the safe side."""

from advisor.machines.apple_limit import wired_limit
from advisor.machines.profile import Backend, MachineProfile
from advisor.units import GIB, MIB

GPU_OVERHEAD_BYTES: dict[Backend, int] = {
    "cuda": 480 * MIB,
    "rocm": 480 * MIB,
    "vulkan": 480 * MIB,
    "sycl": 480 * MIB,
    "metal": 128 * MIB,
}
"""Context, kernels and the driver's own tables on each GPU that takes part.

CUDA: 451 and 456 MiB "unaccounted" on each of three RTX 4090 (https://github.com/ggml-org/llama.cpp/pull/15860), 164 MiB on
an RTX 4060 Ti (load log of 2026-04-15); the largest, rounded up. ROCm, Vulkan and SYCL: no log separates it from the display,
so CUDA's stands for them. Metal: llama.cpp's own table says 0 on an M4 and an M5 Pro (logs of 2026-04-08 and 2026-05-20), which
leaves out compiled pipelines and command buffers; 128 MiB is our allowance.
"""

PROGRAM_BYTES = 64 * MIB
"""The program itself on the host: code, threads, HTTP server, graph metadata. Measured with build 0c1e57098: 22 MiB for an
empty process, 50-57 MiB at the peak of planning an 8B; rounded up."""

VOCABULARY_BYTES_PER_TOKEN = 450
"""Measured with build 0c1e57098, vocab_only, by anonymous memory before and after: 424 bytes a token for Llama 3 (128,256
tokens), 383 for Gemma 4 (262,144), 327 for Command R (256,000), 152 for Llama 2 (32,000)."""


def gpu_overhead(backend: Backend | None) -> int:
    """Bytes that driver and runtime take on one GPU that holds anything; without a known backend CUDA's figure."""
    return GPU_OVERHEAD_BYTES[backend or "cuda"]


def host_overhead(vocab_size: int) -> int:
    """Bytes that the program takes on the host beside the engine's buffers."""
    return PROGRAM_BYTES + VOCABULARY_BYTES_PER_TOKEN * vocab_size


def system_reserve(machine: MachineProfile) -> int:
    """Bytes of system memory to leave to the operating system and other programs where nobody has measured what they hold.

    An eighth of the memory, at least 2 GiB and at most 8 GiB: our rule, as `machines.apple_limit.highest_limit` has it. On a
    Mac what macOS itself keeps from the GPU by default, where that is more: a third of 8 GB. 0 where the machine says what is
    in use, or its memory is not known.
    """
    memory = machine.memory
    if memory.in_use_bytes is not None or memory.capacity_bytes is None:
        return 0
    kept = max(2 * GIB, memory.capacity_bytes // 8)
    if machine.gpus and machine.gpus[0].vendor == "apple":
        kept = max(kept, memory.capacity_bytes - wired_limit(memory.capacity_bytes))
    return min(kept, 8 * GIB)
