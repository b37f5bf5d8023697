"""The machine while a run goes on: memory of the worker, of the GPUs and of the system, at each moment asked for."""

import contextlib
import re
from dataclasses import dataclass
from typing import Protocol

import psutil

from advisor.machines.detect import nvml
from advisor.machines.detect.host import memory
from advisor.machines.detect.probe import ProbeError
from advisor.machines.detect.system import System
from advisor.verify.held import Held, held_by
from advisor.verify.measurement import Sample, Stage

_FULL = re.compile(r"^full avg10=([\d.]+)", re.MULTILINE)
_MAC_LEVELS = {1: 0.0, 2: 30.0, 4: 100.0}
"""kern.memorystatus_vm_pressure_level: normal, warning, critical (xnu bsd/kern/kern_memorystatus_notify.c)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The system at one moment. None where it does not say."""

    available_bytes: int | None
    capacity_bytes: int | None
    swap_bytes: int | None
    pressure: float | None
    gpu_bytes: int | None


class Machine(Protocol):
    """What a sampler asks; recorded ones stand in for it in tests."""

    def reading(self) -> Reading:
        """The system now."""

    def held(self, pid: int) -> Held | None:
        """What a process and its children hold now; None where it is gone."""


class ThisMachine:
    """The machine that this program runs on. Readings take a few milliseconds."""

    def __init__(self, system: System | None = None) -> None:
        self._system = system or System()
        self._has_nvml = True
        self._amd = self._system.glob("/sys/class/drm/card*/device/mem_info_vram_used")

    def reading(self) -> Reading:
        """What the system says of itself now, with the limit of a container."""
        found = memory(self._system).memory
        capacity, used = (found.capacity_bytes, found.in_use_bytes) if found else (None, None)
        available = None if capacity is None or used is None else max(0, capacity - used)
        return Reading(available, capacity, _swap(), self._pressure(), self._gpus())

    def held(self, pid: int) -> Held | None:
        """Resident memory of a process with its children. Only Linux tells the pages of files apart."""
        try:
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return None
        parts = [part for process in processes if (part := held_by(process.pid)) is not None]
        return Held(sum(part.anonymous_bytes for part in parts), sum(part.file_bytes for part in parts)) if parts else None

    def _pressure(self) -> float | None:
        if self._system.platform == "Darwin":
            with contextlib.suppress(ProbeError, ValueError):
                level = self._system.run(["sysctl", "-n", "kern.memorystatus_vm_pressure_level"])
                return None if level is None else _MAC_LEVELS.get(int(level))
            return None
        match = _FULL.search(self._system.read("/proc/pressure/memory") or "")
        return None if match is None else float(match[1])

    def _gpus(self) -> int | None:
        """Memory in use on all GPUs, as their drivers say; None where none says anything."""
        used: list[int] = []
        if self._has_nvml:
            try:
                cards = nvml.query()
            except ProbeError:
                cards = None
            self._has_nvml = cards is not None
            used += [card.used_bytes for card in cards or () if card.used_bytes is not None]
        texts = [self._system.read(path) or "" for path in self._amd]
        used += [int(text) for text in texts if text.isdigit()]
        return sum(used) if used else None


def _swap() -> int | None:
    with contextlib.suppress(OSError, RuntimeError, ValueError, psutil.Error):
        return int(psutil.swap_memory().used)
    return None


@dataclass
class Sampler:
    """Samples of one run, each less what was held at its start."""

    machine: Machine
    samples: list[Sample]
    _start: Held | None = None
    _gpu_start: int | None = None
    process_peak_bytes: int | None = None
    gpu_peak_bytes: int | None = None

    def begin(self, held: Held) -> None:
        """What the worker held before it loaded the model is not the model's."""
        self._start = held
        self.process_peak_bytes = None

    def take(self, pid: int, at_s: float, stage: Stage) -> Reading:
        """Add a sample; the reading of the system that it is from. Before `begin` there is nothing of the process in it."""
        reading = self.machine.reading()
        held = self.machine.held(pid)
        own = gpu = None
        if self._start is not None and held is not None:
            own = held.less(self._start)
        if reading.gpu_bytes is not None:
            # The first sample is from before the worker has asked a GPU for anything.
            self._gpu_start = reading.gpu_bytes if self._gpu_start is None else self._gpu_start
            gpu = max(0, reading.gpu_bytes - self._gpu_start)
        if own is not None:
            self.process_peak_bytes = max(self.process_peak_bytes or 0, own.anonymous_bytes + own.file_bytes)
        if gpu is not None:
            self.gpu_peak_bytes = max(self.gpu_peak_bytes or 0, gpu)
        self.samples.append(
            Sample(
                t_s=round(at_s, 3),
                stage=stage,
                anonymous_bytes=None if own is None else own.anonymous_bytes,
                file_bytes=None if own is None else own.file_bytes,
                gpu_bytes=gpu,
                available_bytes=reading.available_bytes,
                swap_bytes=reading.swap_bytes,
                pressure=None if reading.pressure is None else min(100.0, reading.pressure),
            )
        )
        return reading
