"""What is read of the machine and of a process while a run goes on."""

import os
import subprocess
import sys

import pytest

from advisor.machines.detect.probe import NvmlGpu
from advisor.machines.detect.system import System
from advisor.verify.held import Held, held_by
from advisor.verify.sampler import Reading, Sampler, ThisMachine

MIB = 2**20


class Recorded(System):
    """A machine whose files and commands are given."""

    def __init__(self, platform: str, files: dict[str, str] | None = None, commands: dict[str, str] | None = None) -> None:
        super().__init__()
        self.platform = platform
        self._files, self._commands = files or {}, commands or {}

    def read(self, path):
        return self._files.get(path)

    def glob(self, pattern):
        return [path for path in self._files if path.endswith("mem_info_vram_used") and "drm" in pattern]

    def run(self, command, timeout_s=1.5):
        return self._commands.get(" ".join(command))


MEMINFO = "MemTotal:       16000000 kB\nMemFree:  1000000 kB\nMemAvailable:    4000000 kB\nSwapTotal: 0 kB"


@pytest.fixture
def no_nvidia(monkeypatch):
    monkeypatch.setattr("advisor.verify.sampler.nvml.query", lambda: None)


def test_linux(no_nvidia):
    files = {
        "/proc/meminfo": MEMINFO,
        "/proc/pressure/memory": "some avg10=9.00 avg60=1.00 total=5\nfull avg10=4.25 avg60=0.00 total=5",
        "/sys/class/drm/card1/device/mem_info_vram_used": "1048576",
    }
    found = ThisMachine(Recorded("Linux", files)).reading()
    assert (found.available_bytes, found.capacity_bytes) == (4_000_000 * 1024, 16_000_000 * 1024)
    assert (found.pressure, found.gpu_bytes) == (4.25, MIB)


def test_a_container_with_less_than_its_host(no_nvidia):
    files = {
        "/proc/meminfo": MEMINFO,
        "/proc/self/cgroup": "0::/",
        "/sys/fs/cgroup/memory.max": f"{2048 * MIB}",
        "/sys/fs/cgroup/memory.current": f"{1024 * MIB}",
        "/sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {256 * MIB}",
    }
    found = ThisMachine(Recorded("Linux", files)).reading()
    assert (found.available_bytes, found.capacity_bytes) == (1280 * MIB, 2048 * MIB)


@pytest.mark.parametrize(("level", "pressure"), [("1", 0.0), ("2", 30.0), ("4", 100.0), ("?", None), (None, None)])
def test_the_levels_of_macos(level, pressure, no_nvidia):
    commands = {} if level is None else {"sysctl -n kern.memorystatus_vm_pressure_level": level}
    assert ThisMachine(Recorded("Darwin", commands=commands)).reading().pressure == pressure


def test_nvidia_is_asked_again_only_where_it_answers(monkeypatch):
    cards = [NvmlGpu("A", 1, 0, 300, None, None, None, None), NvmlGpu("B", 1, 0, 50, None, None, None, None)]
    asked = []
    monkeypatch.setattr("advisor.verify.sampler.nvml.query", lambda: asked.append(1) or (tuple(cards) if cards else None))
    machine = ThisMachine(Recorded("Linux", {"/proc/meminfo": MEMINFO}))
    assert machine.reading().gpu_bytes == 350
    cards.clear()
    assert [machine.reading().gpu_bytes for _ in range(3)] == [None] * 3
    assert len(asked) == 2


def test_what_a_process_holds():
    held = held_by(os.getpid())
    assert held.anonymous_bytes > 10 * MIB
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert held_by(ended.pid) is None


class Growing:
    """A machine on which the run grows by a step at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def reading(self) -> Reading:
        self.looks += 1
        return Reading(100 - self.looks, 100, 0, 250.0, 1000 + 10 * self.looks)

    def held(self, pid: int) -> Held | None:
        return None if pid == 0 else Held(50 + self.looks, 5 * self.looks)


def test_samples_are_less_what_was_there_before():
    sampler = Sampler(Growing(), [])
    sampler.take(1, 0.0, "loading")
    assert (sampler.samples[0].anonymous_bytes, sampler.samples[0].gpu_bytes) == (None, 0)
    sampler.begin(Held(51, 5))
    for look in range(3):
        sampler.take(1, 0.25 * look, "prompt")
    assert [sample.anonymous_bytes for sample in sampler.samples] == [None, 1, 2, 3]
    assert [sample.file_bytes for sample in sampler.samples] == [None, 5, 10, 15]
    assert (sampler.process_peak_bytes, sampler.gpu_peak_bytes) == (18, 30)
    assert sampler.samples[-1].pressure == 100, "more than all of the time cannot be"
    sampler.take(0, 1.0, "prompt")
    assert (sampler.samples[-1].anonymous_bytes, sampler.process_peak_bytes) == (None, 18)
