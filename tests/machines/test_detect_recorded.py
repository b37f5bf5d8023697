"""Detection on recorded machines; where each recording is from stands in its file."""

import dataclasses
from typing import Any

import pytest

from advisor.machines.detect import detect, detect_fast
from advisor.machines.detect.probe import NvmlGpu
from advisor.machines.detect.system import System
from advisor.machines.profile import MachineProfile
from advisor.units import GIB, MIB
from tests.machines.recorded import FOLDER, RecordedSystem, found_on, recorded
from tests.waiting import wall_clock


def machine(name: str) -> MachineProfile:
    return found_on(recorded(name)).profile


# recording, kind, name, GPUs, first GPU's capacity in MiB, its bandwidth, memory in MiB, GPU limit in MiB
MACHINES = [
    ("two-rtx-4090", "discrete", "2x NVIDIA GeForce RTX 4090", 2, 24564 - 480, 1008.0, 128700, None),
    ("quadro-smi-only", "discrete", "2x NVIDIA Quadro RTX 4000", 2, 8192, 416.0, 64299, None),
    ("dgx-spark", "unified", "NVIDIA GB10", 1, None, 273.0, 124610, None),
    ("radeon-6800-with-raphael", "discrete", "AMD Radeon RX 6800/6800 XT / 6900 XT", 1, 16368, None, 64299, None),
    ("radeon-7900-xt-smi", "discrete", "AMD Radeon RX 7900 XT", 1, 20464, 800.0, 64299, None),
    ("amd-smi-r9700", "discrete", "AMD Radeon AI PRO R9700", 1, 32624, 644.6, 64299, None),
    ("radeon-7900-xtx-sysfs", "discrete", "AMD Radeon RX 7900 XTX", 1, 24560, 960.0, 64299, None),
    ("strix-halo", "unified", "AMD Radeon 8060S", 1, None, 256.0, 127917, 63958),
    ("strix-halo-carved", "discrete", "AMD Radeon 8060S", 1, 98304, 256.0, 31746, None),
    ("arc-b580", "discrete", "Intel Arc B580", 1, 11980, 456.0, 31746, None),
    ("m4-pro", "unified", "Apple M4 Pro (16-core GPU)", 1, None, 273.0, 24576, 16384),
    ("m5-max-raised", "unified", "Apple M5 Max (40-core GPU)", 1, None, 614.0, 131072, 114688),
    ("m2-8gb-macos26", "unified", "Apple M2", 1, None, 102.4, 8192, 5461),
    ("windows-arc-and-radeon", "discrete", "Intel Arc Pro B60 + AMD Radeon RX 6800 XT", 2, 23961, 456.0, 65448, None),
    ("raspberry-pi-5", "cpu", "Raspberry Pi 5 Model B Rev 1.0", 0, None, None, 8063, None),
    ("jetson-orin-nano", "unified", "NVIDIA Orin Nano Developer Kit", 1, None, 68.22, 7372, None),
    ("hybrid-intel-wsl", "discrete", "NVIDIA GeForce RTX 4060 Laptop GPU", 1, 8188, 256.0, 15625, None),
    ("container-v2", "cpu", "Intel(R) Xeon(R) Gold 6430", 0, None, None, 8192, None),
    ("driver-missing", "cpu", "This machine", 0, None, None, 64299, None),
]


@pytest.mark.parametrize(("name", "kind", "shown", "count", "capacity", "bandwidth", "memory", "limit"), MACHINES)
def test_a_recorded_machine_is_what_it_was(
    name: str,
    kind: str,
    shown: str,
    count: int,
    capacity: int | None,
    bandwidth: float | None,
    memory: int,
    limit: int | None,
) -> None:
    found = machine(name)
    assert (found.kind, found.name, len(found.gpus)) == (kind, shown, count)
    assert found.memory.capacity_bytes is not None
    assert found.memory.capacity_bytes // MIB == memory
    assert (found.gpu_limit_bytes and found.gpu_limit_bytes // MIB) == limit
    if count:
        gpu = found.gpus[0]
        assert (gpu.capacity_bytes and gpu.capacity_bytes // MIB) == capacity
        assert gpu.bandwidth_gb_s == bandwidth
    assert found.origin == "detected"
    assert found.id == "detected"


def test_every_recording_is_read_without_a_failed_probe_but_those_recorded_so() -> None:
    failing = {}
    for path in sorted(FOLDER.glob("*.toml")):
        errors = {finding.source: finding.error for finding in found_on(recorded(path.stem)).findings if finding.error}
        failing[path.stem] = {source for source, error in errors.items() if error != "nothing of this kind here"}
    assert {name for name, sources in failing.items() if sources} == {"quadro-smi-only", "m2-8gb-macos26"}
    assert failing["quadro-smi-only"] == {"NVML"}
    assert failing["m2-8gb-macos26"] == {"system_profiler"}


def test_two_cards_say_what_each_holds_and_where_it_is_from() -> None:
    found = machine("two-rtx-4090")
    assert [gpu.in_use_bytes for gpu in found.gpus] == [507 * MIB, 459 * MIB]
    assert found.gpus[0].fp16_tflops == 330.0
    assert found.gpus[0].driver == "550.163.01"
    assert found.sources["gpus.1"] == "NVML (total memory less what the driver reserves)"
    assert found.sources["gpus.1.bandwidth_gb_s"] == "profile rtx-4090, found by name"
    assert found.memory.in_use_bytes == (131789364 - 120034568) * 1024
    assert found.cpu.instruction_sets == ("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16")


def test_a_driver_that_fails_is_named_with_its_cause() -> None:
    found = machine("quadro-smi-only")
    assert "NVML: the NVIDIA driver and its library have different versions; a restart helps." in found.notes


def test_a_gpu_without_its_driver_is_told() -> None:
    assert machine("driver-missing").notes == (
        "An NVIDIA GPU (PCI 10de:2684) is held by the driver nouveau; engines need the driver nvidia.",
    )


def test_the_picture_of_a_desktop_processor_is_no_gpu_for_engines() -> None:
    found = found_on(recorded("radeon-6800-with-raphael"))
    assert [gpu.name for gpu in found.profile.gpus] == ["AMD Radeon RX 6800/6800 XT / 6900 XT"]
    assert found.profile.notes == ("This is a container (Docker).",)


def test_a_container_has_what_its_limit_leaves() -> None:
    found = machine("container-v2")
    assert found.memory.capacity_bytes == 8 * GIB
    assert found.memory.in_use_bytes == 2 * GIB  # 3 GiB, of which 1 is page cache that the kernel gives back
    assert (found.cpu.threads, found.cpu.performance_cores) == (3, 2)
    assert found.cpu.instruction_sets[-3:] == ("amx_tile", "amx_int8", "amx_bf16")
    assert "A container or service limits the memory to 8.00 GiB of 62.8 GiB." in found.notes
    assert "This is a virtual machine." in found.notes


def test_a_limit_above_the_process_counts_too() -> None:
    found = machine("container-v1")
    assert found.memory.capacity_bytes == 4 * GIB
    assert found.memory.in_use_bytes == GIB // 2
    assert "This is a container." in found.notes


def test_hybrid_cores_are_told_apart_and_wsl_is_said() -> None:
    found = machine("hybrid-intel-wsl")
    assert (found.cpu.performance_cores, found.cpu.efficiency_cores, found.cpu.threads) == (2, 2, 6)
    assert found.os == "Ubuntu 24.04.1 LTS, Linux 5.15.167.4-microsoft-standard-WSL2"
    assert [note for note in found.notes if note.startswith("This is WSL")]
    assert "This is a virtual machine." not in found.notes


def test_a_mac_says_how_to_raise_its_limit() -> None:
    found = machine("m4-pro")
    assert found.raise_gpu_limit == "sudo sysctl iogpu.wired_limit_mb=21504"
    assert (found.cpu.performance_cores, found.cpu.efficiency_cores) == (8, 4)
    assert found.cpu.instruction_sets == ("neon", "dotprod", "i8mm", "bf16", "sme")
    assert found.memory.bandwidth_gb_s == 273.0
    assert machine("m5-max-raised").sources["gpu_limit_bytes"] == "sysctl, system_profiler"


def test_a_raspberry_pi_has_its_bandwidth_from_its_profile() -> None:
    found = machine("raspberry-pi-5")
    assert found.cpu.name == "ARM Cortex-A76"
    assert found.cpu.instruction_sets == ("neon", "dotprod", "fp16")
    assert found.memory.bandwidth_gb_s == 17.1
    assert found.sources["memory.bandwidth_gb_s"] == "profile rpi-5-8gb, found by the device tree"


def test_a_windows_processor_tells_its_sets() -> None:
    found = machine("windows-arc-and-radeon")
    assert found.cpu.instruction_sets == ("avx", "avx2")
    assert found.cpu.performance_cores == 8
    assert [gpu.bandwidth_gb_s for gpu in found.gpus] == [456.0, 512.0]


def test_fast_detection_starts_no_program_but_sysctl_and_the_registry() -> None:
    for path in FOLDER.glob("*.toml"):
        system = recorded(path.stem)
        detect_fast(system=system)
        started = {"nvidia-smi", "amd-smi", "rocm-smi", "system_profiler", "/usr/lib/wsl/lib/nvidia-smi"} & set(system.asked)
        assert started == set(), path.stem


def test_every_value_of_a_gpu_has_a_source() -> None:
    for path in FOLDER.glob("*.toml"):
        found = machine(path.stem)
        for index in range(len(found.gpus)):
            assert f"gpus.{index}" in found.sources, path.stem
        if found.gpu_limit_bytes is not None:
            assert found.sources["gpu_limit_bytes"], path.stem


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("nvidia-smi", "No devices were found"),
        ("nvidia-smi", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
        ("nvidia-smi", ",,,,,,"),
        ("amd-smi", "not json"),
        ("amd-smi", "null"),
        ("amd-smi", "[1, 2]"),
        ("amd-smi", '[{"gpu": 0, "asic": "N/A", "vram": "N/A"}]'),
        ("amd-smi", '{"gpu_data": [{"asic": {}, "vram": {"size": {"value": "N/A", "unit": "MB"}}}]}'),
        ("rocm-smi", "not json"),
        ("rocm-smi", "{"),
        ("rocm-smi", '{"card0": []}'),
        ("rocm-smi", '{"card0": {"VRAM Total Memory (B)": "N/A"}}'),
    ],
)
def test_what_a_tool_prints_instead_of_an_answer_does_no_harm(command: str, text: str) -> None:
    files = {"/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 500000 kB"}
    found = found_on(RecordedSystem({"files": files, "commands": {command: text}})).profile
    assert found.memory.capacity_bytes == 1_024_000_000
    assert all(gpu.capacity_bytes is None for gpu in found.gpus)


@pytest.mark.parametrize("text", ["", "garbage", "{}", '{"SPDisplaysDataType": 3}', '{"SPDisplaysDataType": [{"_name": 3}]}'])
def test_a_mac_whose_profiler_prints_nonsense_is_still_a_mac(text: str) -> None:
    recording: dict[str, Any] = dict(recorded("m4-pro").recording)
    recording["commands"] = {**recording["commands"], "system_profiler": text}
    found = found_on(RecordedSystem(recording)).profile
    assert found.kind == "unified"
    assert found.gpu_limit_bytes == 16 * GIB


def test_an_empty_machine_is_a_machine() -> None:
    found = found_on(RecordedSystem({"memory": {}}))
    assert found.profile.kind == "cpu"
    assert found.profile.memory.capacity_bytes is None


def test_nvml_rows_are_what_the_driver_says() -> None:
    assert [field.name for field in dataclasses.fields(NvmlGpu)][:4] == ["name", "total_bytes", "reserved_bytes", "used_bytes"]


@wall_clock
def test_this_host_is_detected_for_real() -> None:
    found = detect(system=System())
    assert found.profile.memory.capacity_bytes
    assert found.profile.memory.capacity_bytes > 256 * MIB
    assert found.profile.cpu.threads
    assert found.profile.disk.free_bytes is not None
    assert found.seconds < 2.0
    assert MachineProfile.model_validate_json(found.profile.model_dump_json()) == found.profile
