"""The one way from the program to the machine it runs on: `System`.

Every probe asks a `System` for files, commands and driver calls and nothing else does, so that a recorded machine can stand
in for it.
"""

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from advisor.machines.detect.probe import NvmlGpu, ProbeError
from advisor.machines.profile import Disk, SystemMemory

COMMAND_S = 1.5
_MOST_TEXT = 4 * 2**20


class System:
    """The machine that this program runs on."""

    def __init__(self) -> None:
        self.platform = platform.system()
        self.release = platform.release()
        self.macos = platform.mac_ver()[0]

    def read(self, path: str) -> str | None:
        """The text of a small file, without a trailing newline or NUL; None where it cannot be read."""
        try:
            with Path(path).open("rb") as file:
                return file.read(_MOST_TEXT).decode("utf-8", "replace").strip("\n\0 ")
        except OSError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """The paths that match, sorted."""
        return sorted(str(path) for path in Path("/").glob(pattern.removeprefix("/")))

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at this path."""
        return Path(path).exists()

    def run(self, command: Sequence[str], timeout_s: float = COMMAND_S) -> str | None:
        """What a command prints; None where it is not installed. Raises ProbeError where it fails or takes too long.

        The command is killed with its children when its time is over.
        """
        if shutil.which(command[0]) is None:
            return None
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise ProbeError(f"{command[0]} did not answer within {timeout_s:g} s") from None
        text = output[:_MOST_TEXT].decode("utf-8", "replace")
        if process.returncode != 0 and not text.strip():
            raise ProbeError(f"{command[0]} ended with code {process.returncode}")
        return text

    def nvml(self) -> tuple[NvmlGpu, ...] | None:
        """The GPUs that NVIDIA's library lists; None where there is no NVIDIA driver. Raises ProbeError where it fails."""
        from advisor.machines.detect.nvml import query

        return query()

    def memory(self) -> SystemMemory:
        """Total, in use and swap, from the operating system."""
        import psutil

        now, swap = psutil.virtual_memory(), psutil.swap_memory()
        return SystemMemory(capacity_bytes=now.total, in_use_bytes=now.total - now.available, swap_bytes=swap.total)

    def cores(self) -> int | None:
        """Physical cores."""
        import psutil

        return psutil.cpu_count(logical=False)

    def threads(self) -> int | None:
        """Logical processors that this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def disk(self, path: str) -> Disk:
        """Size and free space of the disk that holds `path`."""
        usage = shutil.disk_usage(path)
        return Disk(path=path, free_bytes=usage.free, capacity_bytes=usage.total)

    def environment(self, name: str) -> str | None:
        """A variable of the environment."""
        return os.environ.get(name)

    def home(self) -> str:
        """The user's folder."""
        return str(Path.home())

    def processor_feature(self, number: int) -> bool:
        """Windows' `IsProcessorFeaturePresent`; False elsewhere."""
        import ctypes

        kernel = getattr(ctypes, "windll", None)
        return bool(kernel and kernel.kernel32.IsProcessorFeaturePresent(number))


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, 9)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=0.1)
