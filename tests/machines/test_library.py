"""Machines found by id, by name, by a file; what is said where there is none."""

from pathlib import Path

import pytest

from advisor.errors import QuestionError
from advisor.machines.detect.assemble import matched
from advisor.machines.library import find_machine, library, read_profile
from advisor.machines.profile import Gpu
from advisor.units import GIB, MIB
from tests.machines.recorded import found_on, recorded

GOOD = """
id = "my-box"
name = "My box"
kind = "discrete"
[[gpus]]
name = "NVIDIA GeForce RTX 3090"
vendor = "nvidia"
backend = "cuda"
memory_bytes = "24 GiB"
"""


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("rtx-4090", "rtx-4090"),
        ("RTX-4090", "rtx-4090"),
        ("  rtx-4090 ", "rtx-4090"),
        ("RTX 4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("geforce rtx 4090 laptop gpu", "rtx-4090-laptop"),
        ("Apple M4 Max 40-core GPU", "m4-max-40"),
        ("RX 7900 XTX", "rx-7900-xtx"),
        ("AMD Radeon RX 7900 XTX", "rx-7900-xtx"),
        ("strix halo", "strix-halo-395"),
        ("gb10", "gb10-dgx-spark"),
        ("rtx 2080 ti 22gb", "rtx-2080-ti-22gb-mod"),
        ("Raspberry Pi 5 8GB", "rpi-5-8gb"),
    ],
)
def test_a_machine_is_found(text: str, id_: str) -> None:
    assert find_machine(text).id == id_


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rtx-4091", "Near: rtx-4090"),
        ("RTX 3060", "can mean several machines: rtx-3060-ti"),
        ("M4 Max", "can mean several machines: m4-max-32, m4-max-40"),
        ("toaster", 'There is no machine "toaster"'),
        ("", 'There is no machine ""'),
        ("x" * 5000, "There is no machine"),
        ("../../etc/passwd", "There is no machine"),
        ("no-such-file.toml", "no-such-file.toml cannot be read: No such file or directory."),
    ],
)
def test_what_is_not_a_machine_is_said_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(QuestionError) as caught:
        find_machine(text)
    assert says in str(caught.value)
    assert caught.value.field == "machine"
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_profile_file_is_read_with_its_capacity(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text(GOOD)
    found = find_machine(str(path))
    assert found.id == "my-box"
    assert found.gpus[0].capacity_bytes == 24 * GIB * 975 // 1000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id = ", "is not valid TOML"),
        ("<html>", "is not valid TOML"),
        ("", 'the field "id" is missing'),
        (
            GOOD.replace('"24 GiB"', '"lots"'),
            'the field "gpus.0.memory_bytes" is wrong: "lots" is not a size; write a number and a unit',
        ),
        (
            GOOD.replace('"24 GiB"', "-1"),
            'the field "gpus.0.memory_bytes" is wrong: input should be greater than or equal to 0',
        ),
        (GOOD.replace('"24 GiB"', f'"{"9" * 400} GiB"'), "is not a size; write a number and a unit"),
        (GOOD.replace("memory_bytes", "memory"), '"gpus.0.memory" is not a field of a machine profile'),
        (GOOD.replace('"discrete"', '"fast"'), 'the field "kind" is wrong: input should be'),
        (GOOD + "bandwidth_gb_s = 0\n", 'the field "gpus.0.bandwidth_gb_s" is wrong'),
        (GOOD + "bandwidth_gb_s = 1e-308\n", "input should be greater than or equal to 0.001"),
        (GOOD + "fp32_tflops = 1e-100\n", "input should be greater than or equal to 0.001"),
        (GOOD + "fp16_tflops = inf\n", "input should be"),
        (GOOD + "power_w = nan\n", "input should be"),
    ],
)
def test_a_wrong_profile_file_says_file_field_and_what_is_right(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "box.toml"
    path.write_text(text)
    with pytest.raises(QuestionError) as caught:
        read_profile(path)
    assert "box.toml" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "text"), [("deep.json", "[" * 200_000), ("deep.toml", "a = " + "[" * 200_000), ("long.toml", "a = " + "9" * 9000)]
)
def test_a_file_made_to_break_the_parser(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(QuestionError, match="is not valid"):
        read_profile(path)


def test_a_name_with_a_nul_byte_is_no_machine() -> None:
    with pytest.raises(QuestionError):
        find_machine("a\0b.toml")


def test_a_detected_machine_that_was_saved_is_the_same_machine(tmp_path: Path) -> None:
    for name in ("two-rtx-4090", "m4-pro", "raspberry-pi-5"):
        machine = found_on(recorded(name)).profile
        path = tmp_path / f"{name}.json"
        path.write_text(machine.model_dump_json())
        assert find_machine(str(path)) == machine
    path.write_text("{")
    with pytest.raises(QuestionError, match="is not valid JSON"):
        find_machine(str(path))


def test_files_that_are_no_profiles(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.toml", tmp_path / "large.toml"
    binary.write_bytes(b"GGUF\x03\x00\x00\x00\xff\xfe")
    large.write_bytes(b"#" * (2**20 + 1))
    for path, says in ((binary, "is not a text file in UTF-8"), (large, "larger than 1 MiB"), (tmp_path, "is not a file")):
        with pytest.raises(QuestionError, match=says):
            read_profile(path)


# what drivers call a GPU, its memory in MiB as reported, the profile that it is
DRIVERS = [
    ("NVIDIA GeForce RTX 4090", "nvidia", 24564, "rtx-4090"),
    ("NVIDIA GeForce RTX 4090", "nvidia", 49140, "rtx-4090-48gb-mod"),
    ("NVIDIA GeForce RTX 3060", "nvidia", 12288, "rtx-3060-12gb"),
    ("NVIDIA GeForce RTX 3060", "nvidia", 8192, "rtx-3060-8gb"),
    ("NVIDIA GeForce RTX 2080 Ti", "nvidia", 22528, "rtx-2080-ti-22gb-mod"),
    ("NVIDIA GeForce RTX 4060 Laptop GPU", "nvidia", 8188, "rtx-4060-laptop"),
    ("NVIDIA GeForce RTX 5060 Ti", "nvidia", 16311, "rtx-5060-ti-16gb"),
    ("NVIDIA H100 80GB HBM3", "nvidia", 81559, "h100-sxm"),
    ("NVIDIA H100 PCIe", "nvidia", 81559, "h100-pcie"),
    ("NVIDIA H200", "nvidia", 143771, "h200-sxm"),
    ("NVIDIA A100-SXM4-80GB", "nvidia", 81920, "a100-sxm-80gb"),
    ("NVIDIA A100-PCIE-40GB", "nvidia", 40960, "a100-pcie-40gb"),
    ("Tesla V100-SXM2-16GB", "nvidia", 16384, "v100-sxm2-16gb"),
    ("Tesla P40", "nvidia", 22919, "tesla-p40"),
    ("Tesla T4", "nvidia", 15360, "t4"),
    ("NVIDIA RTX 6000 Ada Generation", "nvidia", 49140, "rtx-6000-ada"),
    ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "nvidia", 97887, "rtx-pro-6000-blackwell"),
    ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "nvidia", 97887, "rtx-pro-6000-blackwell-maxq"),
    ("Quadro RTX 4000", "nvidia", 8192, "quadro-rtx-4000"),
    ("NVIDIA GB10", "nvidia", None, "gb10-dgx-spark"),
    ("AMD Radeon RX 7900 XTX", "amd", 24560, "rx-7900-xtx"),
    ("Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M", "amd", 20464, "rx-7900-xt"),
    ("Radeon RX 6800/6800 XT / 6900 XT", "amd", 16368, None),
    ("AMD Instinct MI50", "amd", 32768, "mi50-32gb"),
    ("AMD Radeon 780M", "amd", None, "radeon-780m"),
    ("Intel Arc B580", "intel", None, "arc-b580"),
    ("NVIDIA GeForce GT 710", "nvidia", 2048, None),
    ("NVIDIA GeForce RTX 3090 D", "nvidia", 24576, None),
    ("GPU", "other", 8192, None),
]


@pytest.mark.parametrize(("name", "vendor", "mib", "id_"), DRIVERS)
def test_a_driver_name_is_matched(name: str, vendor: str, mib: int | None, id_: str | None) -> None:
    gpu = Gpu(name=name, vendor=vendor, backend="cuda", capacity_bytes=None if mib is None else mib * MIB)  # type: ignore[arg-type]
    assert matched(gpu, library()) == id_


def test_a_mac_is_matched_by_chip_and_cores() -> None:
    assert matched(Gpu(name="Apple M3 Pro", vendor="apple", backend="metal", cores=14), library()) == "m3-pro-14"
    assert matched(Gpu(name="Apple M9", vendor="apple", backend="metal", cores=14), library()) is None
