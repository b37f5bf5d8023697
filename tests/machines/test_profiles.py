"""Every file of hardware_profiles/ is a machine, and every number in it says where it is from."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor.machines.library import library, read_profile
from advisor.machines.parts import with_parts
from advisor.machines.profile import MachineProfile
from advisor.paths import profiles_folder
from advisor.units import GIB

FILES = sorted(profiles_folder().glob("*/*.toml"))
FOLDERS = {"apple", "nvidia", "amd", "intel", "boards", "rigs"}
NAMED = """m1-8 m2-8 m3-10 m4-10 rtx-2080-ti rtx-2080-ti-22gb-mod rtx-3060-12gb rtx-3090 rtx-4060-ti-16gb rtx-4090 rtx-5090
tesla-p40 rx-7900-xtx strix-halo-395 gb10-dgx-spark rpi-5-8gb jetson-orin-nano-8gb m1-pro-14 m1-pro-16 m1-max-24 m1-max-32
m1-ultra-48 m1-ultra-64 m2-pro-16 m2-pro-19 m2-max-30 m2-max-38 m2-ultra-60 m2-ultra-76 m3-pro-14 m3-pro-18 m3-max-30 m3-max-40
m3-ultra-60 m3-ultra-80 m4-pro-16 m4-pro-20 m4-max-32 m4-max-40 m5-pro-16 m5-pro-20 m5-max-32 m5-max-40
m5-ultra-60 m5-ultra-80"""


def values(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def numbers(tree: Any, path: str = "") -> list[str]:
    """Dotted paths of all figures and of the lists of sizes."""
    if isinstance(tree, dict):
        return [
            found
            for key, value in tree.items()
            if key not in ("sources", "parts")  # how many cards a rig has is what the profile is, not a fact about it
            for found in numbers(value, f"{path}.{key}".lstrip("."))
        ]
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return [found for index, value in enumerate(tree) for found in numbers(value, f"{path}.{index}")]
    is_size = isinstance(tree, str) and re.fullmatch(r"[\d.]+ [KMGT]iB", tree) is not None
    is_sizes = isinstance(tree, list) and path != "notes"
    return [path] if isinstance(tree, int | float) or is_size or is_sizes else []


def has_source(path: str, sources: dict[str, str]) -> bool:
    parts = path.split(".")
    return any(sources.get(".".join(parts[:depth]), "").strip() for depth in range(len(parts), 0, -1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_profile_is_valid_and_sourced(path: Path) -> None:
    raw, profile = values(path), read_profile(path)
    assert profile.id == path.stem
    assert path.parent.name in FOLDERS
    assert profile.origin == "profile"
    assert date.fromisoformat(profile.checked or "") >= date(2026, 1, 1)
    found = numbers(raw)
    assert found or "parts" in raw or path.stem == "ryzen-9-7950x-cpu"  # its memory's speed is not known
    assert [name for name in found if not has_source(name, raw.get("sources", {}))] == []
    assert [name for name in raw.get("sources", {}) if not name_exists(raw, name)] == []
    assert all(gpu.in_use_bytes is None for gpu in profile.gpus)
    assert profile.memory.in_use_bytes is None
    assert profile.disk.path is None


def name_exists(tree: Any, dotted: str) -> bool:
    for part in dotted.split("."):
        tree = tree[int(part)] if isinstance(tree, list) else tree.get(part)
        if tree is None:
            return False
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_profile_agrees_with_its_kind(path: Path) -> None:
    profile = MachineProfile.model_validate(with_parts(values(path), library().get))
    if profile.kind == "discrete":
        assert path.parent.name == "rigs" or len(profile.gpus) == 1
        assert profile.gpus[0].memory_bytes is not None
        assert 2 * GIB <= profile.gpus[0].memory_bytes <= 512 * GIB
        assert path.parent.name == "rigs" or profile.gpus[0].capacity_bytes is None, (
            "a card by its name and by its numbers must get the same capacity"
        )
    elif profile.kind == "unified":
        assert len(profile.gpus) == 1
        assert profile.gpus[0].memory_bytes is None
        assert profile.gpus[0].bandwidth_gb_s == profile.memory.bandwidth_gb_s
    else:
        assert profile.gpus == ()
    assert list(profile.memory_options_bytes) == sorted(set(profile.memory_options_bytes))


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "apple"], ids=lambda path: path.stem)
def test_a_mac_has_its_sizes_and_cores(path: Path) -> None:
    profile = read_profile(path)
    assert profile.memory_options_bytes
    assert profile.gpus[0].cores == int(path.stem.rsplit("-", 1)[1])
    assert profile.gpus[0].backend == "metal"
    assert profile.memory.bandwidth_gb_s is not None


def test_the_machines_that_must_be_there_are() -> None:
    assert set(NAMED.split()) <= set(library().ids)
    assert len(library().ids) == len(FILES) >= 262
    assert len({path.stem for path in FILES}) == len(FILES)


def test_figures_that_are_published() -> None:
    """A few rows against the makers' own pages, so that a slip in the files' making is caught."""
    published = [  # id, memory in GiB, GB/s: geforce and tesla data sheets, amd.com, apple.com
        ("rtx-4090", 24, 1008.0),
        ("rtx-3090", 24, 936.2),
        ("rtx-5090", 32, 1792.0),
        ("rtx-3060-12gb", 12, 360.0),
        ("rtx-4060-ti-16gb", 16, 288.0),
        ("tesla-p40", 24, 347.1),
        ("rx-7900-xtx", 24, 960.0),
        ("rtx-2080-ti", 11, 616.0),
        ("rtx-2080-ti-22gb-mod", 22, 616.0),
    ]
    for id_, size, speed in published:
        gpu = library().get(id_).gpus[0]
        assert (gpu.memory_bytes, gpu.bandwidth_gb_s) == (size * GIB, speed), id_


def test_files_name_nothing_of_the_workshop() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "/work" not in text
        assert "public file" not in text
        assert re.search(r'= "memory\b', text) is None, f"{path.stem}: memory is no source"


def test_the_example_in_the_readme_is_a_profile(tmp_path: Path) -> None:
    text = (profiles_folder() / "README.md").read_text(encoding="utf-8")
    example = "\n".join(line.removeprefix("    ") for line in text.splitlines() if line.startswith("    "))
    path = tmp_path / "my-box.toml"
    path.write_text(example)
    assert read_profile(path).gpus[0].bandwidth_gb_s == 936.2
