"""How much of a Mac's memory its GPU may take: Metal's `recommendedMaxWorkingSetSize`, as macOS sets it by itself.

A pure function of the memory size and of whether macOS is a newer one. The fractions are read from public load logs
(llama.cpp prints the figure as MB of 10**6 bytes); each row names one. Where no log of a size is known, the fraction of the
next smaller known size holds: fractions grow with the size, so this never promises more than macOS gives.
"""

from advisor.units import GIB, MIB

NEWER_MACOS = 26
"""First macOS for which the larger fractions are seen on every log that names its version (antirez/ds4#893: macOS 26.x);
macOS 15.6 still gave 2/3 on 16 GB (exo-explore/exo#1672)."""

_NEWER: tuple[tuple[int, int, int], ...] = (
    # memory in GiB from which it holds, fraction as numerator and denominator
    (0, 2, 3),  # 8 GB: 5726.63 MB, XiongjieDai/GPU-Benchmarks-on-LLM-Inference M1_8GB.ipynb; not seen on newer macOS
    (16, 74, 100),  # 12713.12 MB, acdtrx/llama-runner llama-server.log; 18 GB 14302.25 MB; 24 GB 19069.67 MB
    (32, 78, 100),  # 26800.60 MB (M4, M5); 36 GB 30150.67 MB, gisenberg/local-model-eval; 48 GB 40200.90 MB (M4 Pro)
    (64, 81, 100),  # 55662.79 MB, hackur/qwen36-local-llamacpp-turboquant benchmarks/RESULTS.md
    (128, 84, 100),  # 115448.73 MB, TheTom/llama-cpp-turboquant bench-smem-m5-baseline.txt; 107.52 GiB, antirez/ds4#893
)
_OLDER: tuple[tuple[int, int, int], ...] = (
    (0, 2, 3),  # 16 GB 11453.25 MB; 32 GB 22906.50 MB = 21845 MiB, ggml-org/llama.cpp#2011
    (37, 3, 4),  # 48 GB 38654.71 MB; 64 GB 51539.61 MB; 192 GB 154618.82 MB, XiongjieDai M3max_48GB and M2ultra_192GB
)

SOURCE = (
    "recommendedMaxWorkingSetSize in public llama.cpp logs: 2/3 at 8 GB; newer macOS 0.74 at 16-24 GB, 0.78 at 32-48 GB, "
    "0.81 at 64 GB, 0.84 at 128 GB; before that 2/3 to 36 GB and 3/4 above (rows and logs in advisor/machines/apple_limit.py)"
)


def wired_limit(memory_bytes: int, *, newer_macos: bool = True) -> int:
    """Bytes of a Mac's `memory_bytes` that its GPU may take by default, rounded down to a MiB."""
    rows = _NEWER if newer_macos else _OLDER
    numerator, denominator = next((n, d) for start, n, d in reversed(rows) if memory_bytes >= start * GIB)
    return memory_bytes * numerator // denominator // MIB * MIB


def highest_limit(memory_bytes: int) -> int:
    """Bytes that the limit can be raised to while macOS keeps what it needs: all but 2 GiB, or an eighth where that is more.

    A rule of ours, not of Apple's: the largest limit seen in a log is 464 of 512 GiB, and 112 of 128 GiB (antirez/ds4#893)
    leaves an eighth.
    """
    return (memory_bytes - max(2 * GIB, memory_bytes // 8)) // MIB * MIB


def raise_command(limit_bytes: int) -> str:
    """The command that sets the limit to `limit_bytes` until the next restart (needs an administrator; sizes in MiB)."""
    return f"sudo sysctl iogpu.wired_limit_mb={limit_bytes // MIB}"
