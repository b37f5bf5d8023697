"""A machine from a recording: `tests/machines/fixtures/NAME.toml` holds the files, commands and driver rows that were seen."""

import fnmatch
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.machines.detect import Detection, detect
from advisor.machines.detect.probe import NvmlGpu, ProbeError
from advisor.machines.detect.system import System
from advisor.machines.profile import Disk, SystemMemory

FOLDER = Path(__file__).parent / "fixtures"


class RecordedSystem(System):
    """Answers from a recording; what was not recorded is not there. `hang` names what answers only once `released` is set."""

    def __init__(self, recording: dict[str, Any], hang: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.recording, self.hang, self.released = recording, hang, threading.Event()
        self.platform = recording.get("platform", "Linux")
        self.release = recording.get("release", "6.0")
        self.macos = recording.get("macos", "")
        self.files: dict[str, str] = recording.get("files", {})
        self.asked: list[str] = []

    def _wait(self, what: str) -> None:
        self.asked.append(what)
        if what in self.hang or "everything" in self.hang:
            self.released.wait(60)

    def read(self, path: str) -> str | None:
        self._wait(path)
        text = self.files.get(path)
        return None if text is None else text.strip("\n\0 ")

    def glob(self, pattern: str) -> list[str]:
        self._wait(pattern)
        depth = pattern.count("/")
        return sorted(path for path in self.files if path.count("/") == depth and fnmatch.fnmatchcase(path, pattern))

    def exists(self, path: str) -> bool:
        self._wait(path)
        return path in self.files or any(name.startswith(f"{path}/") for name in self.files) or path == self.home()

    def run(self, command: Sequence[str], timeout_s: float = 1.5) -> str | None:
        self._wait(command[0])
        line = " ".join(command)
        text = next(
            (said for key, said in self.recording.get("commands", {}).items() if line.startswith(key) or f"{{{key}}}" in line),
            None,
        )
        if text == "fails":
            raise ProbeError(f"{command[0]} ended with code 9")
        return text

    def nvml(self) -> tuple[NvmlGpu, ...] | None:
        self._wait("nvml")
        if "nvml_error" in self.recording:
            raise ProbeError(self.recording["nvml_error"])
        unknown = dict.fromkeys(NvmlGpu.__dataclass_fields__)
        rows = tuple(NvmlGpu(**{**unknown, **row}) for row in self.recording.get("nvml", []))
        return rows or None

    def memory(self) -> SystemMemory:
        self._wait("memory")
        return SystemMemory.model_validate(self.recording["memory"])

    def cores(self) -> int | None:
        return self.recording.get("cores")

    def threads(self) -> int | None:
        return self.recording.get("threads")

    def disk(self, path: str) -> Disk:
        self._wait("disk")
        return Disk(path=path, free_bytes=10**11, capacity_bytes=10**12)

    def environment(self, name: str) -> str | None:
        return self.recording.get("environment", {}).get(name)

    def home(self) -> str:
        return "/home/someone"

    def processor_feature(self, number: int) -> bool:
        return number in self.recording.get("processor_features", [])


def recorded(name: str, **how: Any) -> RecordedSystem:
    """The recording of this name as a system."""
    return RecordedSystem(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")), **how)


def found_on(system: System) -> Detection:
    """What detection finds there, however slow the host is that runs the test."""
    return detect(60.0, system)
