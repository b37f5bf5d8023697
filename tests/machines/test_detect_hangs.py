"""Nothing that hangs delays the page: every probe in turn, and all at once, sleeps for a minute."""

import threading
import time

import pytest

from advisor.machines.detect import _BY_PLATFORM, _HOST, detect, detect_fast
from advisor.machines.detect.probe import ProbeError
from advisor.machines.detect.system import System
from tests.machines.recorded import recorded
from tests.waiting import wall_clock

HANGS = [
    ("two-rtx-4090", "nvml"),
    ("two-rtx-4090", "/proc/meminfo"),
    ("two-rtx-4090", "disk"),
    ("quadro-smi-only", "nvidia-smi"),
    ("radeon-7900-xt-smi", "rocm-smi"),
    ("radeon-7900-xtx-sysfs", "/sys/class/drm/card1/device/mem_info_vram_total"),
    ("m4-pro", "system_profiler"),
    ("m4-pro", "sysctl"),
    ("windows-arc-and-radeon", "reg"),
    ("two-rtx-4090", "everything"),
    ("m4-pro", "everything"),
]


@wall_clock
@pytest.mark.parametrize(("name", "what"), HANGS)
def test_detection_ends_in_time(name: str, what: str) -> None:
    system = recorded(name, hang=frozenset({what}))
    allowed = 2.0 if what == "everything" else 1.2
    began = time.monotonic()
    found = detect(allowed, system)
    assert time.monotonic() - began <= allowed
    assert not found.complete
    assert [finding.error for finding in found.findings if finding.error and finding.error.startswith("did not answer within")]


@wall_clock
def test_fast_detection_ends_in_a_third_of_a_second() -> None:
    system = recorded("two-rtx-4090", hang=frozenset({"nvml"}))
    detect_fast(0.3, recorded("two-rtx-4090"))  # the library is read once a process
    began = time.monotonic()
    found = detect_fast(0.3, system)
    assert time.monotonic() - began <= 0.3
    assert found.profile.memory.capacity_bytes == 131789364 * 1024
    assert found.profile.kind == "cpu"


@wall_clock
def test_what_hangs_costs_only_its_own_answer() -> None:
    found = detect(1.0, recorded("two-rtx-4090", hang=frozenset({"disk"}))).profile
    assert len(found.gpus) == 2
    assert found.disk.path is None


def test_a_probe_that_hangs_is_not_started_twice() -> None:
    system = recorded("two-rtx-4090", hang=frozenset({"nvml"}))
    for _ in range(3):
        detect_fast(0.2, system)
    assert system.asked.count("nvml") == 1


@wall_clock
def test_a_slow_probe_is_waited_for_by_the_second_question() -> None:
    system = recorded("two-rtx-4090", hang=frozenset({"nvml"}))
    assert detect_fast(0.2, system).profile.gpus == ()
    threading.Timer(0.4, system.released.set).start()
    assert len(detect(30.0, system).profile.gpus) == 2
    assert system.asked.count("nvml") == 1


@wall_clock
def test_a_command_is_killed_with_its_children_when_its_time_is_over() -> None:
    began = time.monotonic()
    with pytest.raises(ProbeError, match=r"sh did not answer within 0\.2 s"):
        System().run(("sh", "-c", "sleep 60 & sleep 60"), timeout_s=0.2)
    assert time.monotonic() - began < 1.0


def test_a_command_that_is_not_there_and_one_that_fails() -> None:
    assert System().run(("no-such-program-anywhere",)) is None
    with pytest.raises(ProbeError, match="ended with code 3"):
        System().run(("sh", "-c", "exit 3"), timeout_s=60)
    assert System().run(("sh", "-c", "echo said; exit 3"), timeout_s=60) == "said\n"


def test_every_probe_has_a_name_of_its_own() -> None:
    for probes in _BY_PLATFORM.values():
        names = [probe.source for probe in (*_HOST, *probes)]
        assert len(names) == len(set(names))
