"""Which engine is built, with which flags, and the key under which its wheel is kept."""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.paths import cache_folder

PACKAGE = "llama-cpp-python"
# Pinned: struct layouts and known figures belong to the llama.cpp inside. pyproject.toml and a test say the same version.
VERSION = "0.3.36"
SOURCE_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"

# Measured: 3.5 minutes on two cores of a server of 2026 (CPU only), compilation scales with cores, the rest does not.
_COMPILE_CORE_SECONDS = 380
_FIXED_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """One build of the engine."""

    flags: tuple[str, ...]
    key: str

    @property
    def folder(self) -> Path:
        """Where the wheel, the log and the state of this build are."""
        return cache_folder() / "engine" / self.key

    @property
    def usual_seconds(self) -> int | None:
        """How long it usually takes here; None for builds that were never timed (GPU kernels take many times longer)."""
        return None if self.flags else _FIXED_SECONDS + _COMPILE_CORE_SECONDS // usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def recipe_for_this_machine() -> Recipe:
    """Flags of the user's CMAKE_ARGS where set, else CUDA where it can be built and used (Metal is on by itself)."""
    own = os.environ.get("CMAKE_ARGS", "").split()
    flags = tuple(own) if own else cuda_flags(nvcc=shutil.which("nvcc") is not None, card=_has_nvidia_card())
    return Recipe(flags, recipe_key(flags, sysconfig.get_platform(), _cpu_features()))


def cuda_flags(*, nvcc: bool, card: bool) -> tuple[str, ...]:
    """What turns CUDA on; nothing where the compiler or the card is missing."""
    return ("-DGGML_CUDA=on",) if nvcc and card else ()


def recipe_key(flags: Sequence[str], system: str, cpu_features: str) -> str:
    """The key of a wheel: version, system, flags and CPU (llama.cpp builds for the CPU it is built on).

    No Python version: the wheel is py3-none, its libraries are loaded by ctypes.
    """
    digest = hashlib.sha256("\n".join([*flags, "cpu", cpu_features]).encode()).hexdigest()[:12]
    return f"{VERSION}-{system}-{digest}"


def _has_nvidia_card() -> bool:
    if platform.system() == "Windows":
        return shutil.which("nvidia-smi") is not None
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _cpu_features() -> str:
    if platform.system() == "Linux":
        return cpuinfo_features(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=2, check=False).stdout.strip()
    return platform.processor()


def cpuinfo_features(cpuinfo: str) -> str:
    """The instruction sets of the first core in the text of /proc/cpuinfo ("flags" on x86, "Features" on Arm), sorted."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return " ".join(sorted(value.split()))
    return ""
