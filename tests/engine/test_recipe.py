import tomllib
from pathlib import Path

from advisor.engine.recipe import VERSION, cpuinfo_features, cuda_flags, recipe_for_this_machine, recipe_key

ROOT = Path(__file__).resolve().parents[2]


def test_project_and_recipe_name_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["engine"] == [f"llama-cpp-python=={VERSION}"]


def test_cuda_needs_both_its_compiler_and_a_card():
    assert cuda_flags(nvcc=True, card=True) == ("-DGGML_CUDA=on",)
    assert cuda_flags(nvcc=True, card=False) == ()
    assert cuda_flags(nvcc=False, card=True) == ()


def test_each_part_of_the_key_counts():
    keys = {
        recipe_key((), "linux-x86_64", "avx2"),
        recipe_key((), "linux-x86_64", "avx2 avx512f"),
        recipe_key((), "linux-aarch64", "avx2"),
        recipe_key(("-DGGML_CUDA=on",), "linux-x86_64", "avx2"),
        # A flag is not a CPU feature of the same name.
        recipe_key(("cpu", "avx2"), "linux-x86_64", ""),
    }
    assert len(keys) == 5
    assert recipe_key((), "linux-x86_64", "avx2") == recipe_key((), "linux-x86_64", "avx2")


def test_cpu_features_of_x86_and_arm():
    x86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse4_2 avx2\nbugs\t\t: spectre_v1\n\nflags\t\t: none\n"
    arm = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32\nCPU implementer\t: 0x41\n"
    assert cpuinfo_features(x86) == "avx2 fpu sse4_2"
    assert cpuinfo_features(arm) == "asimd crc32 evtstrm fp"
    assert cpuinfo_features("") == ""


def test_flags_of_the_user_come_first_and_are_never_timed(monkeypatch, tmp_path):
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_VULKAN=on -DGGML_NATIVE=off")
    recipe_for_this_machine.cache_clear()
    try:
        recipe = recipe_for_this_machine()
    finally:
        recipe_for_this_machine.cache_clear()
    assert recipe.flags == ("-DGGML_VULKAN=on", "-DGGML_NATIVE=off")
    assert recipe.usual_seconds is None
