"""The build with an imitated pip: a script that behaves as files in its folder say and counts how it was called."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from advisor.engine import build as build_module
from advisor.engine import recipe as recipe_module
from advisor.engine import status
from advisor.engine.build import build, compiled_percent, failure_cause, main
from advisor.engine.compiler import MissingCompiler
from advisor.engine.recipe import SOURCE_SHA256, VERSION, recipe_for_this_machine
from advisor.engine.status import BuildRecord, cached_wheel

WHEEL = f"llama_cpp_python-{VERSION}-py3-none-any.whl"
PIP = f"""#!{sys.executable}
import sys, time
from pathlib import Path
world = Path(__file__).parent
arguments = sys.argv[1:]
def note(word):
    with (world / "calls").open("a") as calls:
        calls.write(word + "\\n")
if "wheel" in arguments:
    note("wheel" + (" fresh" if "--no-cache-dir" in arguments else ""))
    requirement = Path(arguments[arguments.index("--requirement") + 1]).read_text()
    (world / "requirement").write_text(requirement)
    if (world / "says").exists():
        sys.exit((world / "says").read_text())
    if "--no-cache-dir" in arguments or not (world / "in pip's cache").exists():
        print("Building wheel for llama-cpp-python")
        for done in range(1, 5):
            print(f"  [{{done}}/4] Building CXX object", flush=True)
            time.sleep(0.02)
    (Path(arguments[arguments.index("--wheel-dir") + 1]) / "{WHEEL}").write_text("fresh" * ("--no-cache-dir" in arguments))
elif "uninstall" in arguments:
    note("uninstall")
    (world / "installed").unlink()
elif "install" in arguments:
    wheel = Path(arguments[-1])
    note("install" if "--force-reinstall" in arguments else "needs")
    (world / "installed").write_text(wheel.read_text() or "plain")
elif "-c" in arguments:
    note("start")
    if (world / "only fresh starts").exists() and (world / "installed").read_text() != "fresh":
        sys.exit(132)
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with the imitated pip and an empty cache, on a machine with a compiler and without the engine."""
    if os.name == "nt":
        pytest.skip("the imitated pip is a script with a shebang")
    script = tmp_path / "python"
    script.write_text(PIP)
    script.chmod(0o755)

    class Sys:
        executable = str(script)
        stdout, platform = sys.stdout, sys.platform

    monkeypatch.setattr(build_module, "sys", Sys)
    monkeypatch.setattr(recipe_module, "cache_folder", lambda: tmp_path / "cache")
    for module in (build_module, status):
        monkeypatch.setattr(module, "installed_version", lambda: VERSION if (tmp_path / "installed").exists() else None)
        monkeypatch.setattr(module, "missing_compiler", lambda: None)
    monkeypatch.setattr(build_module, "_lower_priority", lambda: None)
    return tmp_path


def calls(world: Path) -> list[str]:
    path = world / "calls"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_builds_keeps_installs_and_starts(world):
    heard: list[BuildRecord] = []
    recipe = recipe_for_this_machine()
    build(recipe, told=heard.append)
    assert calls(world) == ["wheel", "install", "needs", "start"]
    assert cached_wheel(recipe) == recipe.folder / WHEEL
    assert [(record.step, record.percent) for record in heard] == [
        ("fetching the source", None),
        ("fetching the source", None),
        ("compiling", 25),
        ("compiling", 50),
        ("compiling", 75),
        ("compiling", 100),
        ("installing", None),
        ("done", 100),
    ]
    assert (world / "requirement").read_text() == f"llama-cpp-python=={VERSION} --hash=sha256:{SOURCE_SHA256}\n"
    # No half-made folder stays behind.
    assert sorted(path.name for path in recipe.folder.iterdir()) == ["build.json", "build.lock", "build.log", WHEEL]


def test_a_kept_wheel_is_only_installed(world):
    recipe = recipe_for_this_machine()
    build(recipe, install=False)
    assert calls(world) == ["wheel"]
    build(recipe)
    assert calls(world) == ["wheel", "install", "needs", "start"]


def test_what_a_killed_build_left_is_cleared_away(world):
    recipe = recipe_for_this_machine()
    (recipe.folder / "building-1" / "source").mkdir(parents=True)
    build(recipe, install=False)
    assert list(recipe.folder.glob("building-*")) == []


def test_two_starts_build_once(world):
    recipe = recipe_for_this_machine()
    recipe.folder.mkdir(parents=True)
    both = [threading.Thread(target=build, args=(recipe,)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert calls(world) == ["wheel", "install", "needs", "start"]


def test_a_wheel_of_pips_cache_that_does_not_start_here_is_built_anew(world):
    (world / "in pip's cache").touch()
    (world / "only fresh starts").touch()
    recipe = recipe_for_this_machine()
    build(recipe)
    assert calls(world) == ["wheel", "install", "needs", "start", "uninstall", "wheel fresh", "install", "needs", "start"]
    assert BuildRecord.read(recipe.folder).failure is None
    assert cached_wheel(recipe).read_text() == "fresh"


def test_what_was_built_here_and_does_not_start_is_not_built_again(world):
    (world / "only fresh starts").touch()
    recipe = recipe_for_this_machine()
    seen = build(recipe)
    assert calls(world) == ["wheel", "install", "needs", "start", "uninstall"]
    assert (seen.state, seen.step) == ("failed", "installing")
    assert "does not start here" in seen.sentence
    assert cached_wheel(recipe) is None


def test_pips_cache_is_passed_by_where_flags_are_set(world, monkeypatch):
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_VULKAN=on")
    recipe_for_this_machine.cache_clear()
    try:
        build(recipe_for_this_machine(), install=False)
    finally:
        recipe_for_this_machine.cache_clear()
    assert calls(world) == ["wheel fresh"]


def test_a_failed_compilation_waits_for_a_person(world):
    (world / "says").write_text(
        "[1/4] Building CXX object\nggml.c:1: fatal error: omp.h: No such file\nERROR: Failed building wheel"
    )
    recipe = recipe_for_this_machine()
    recipe.folder.mkdir(parents=True)
    assert main(["--background"]) == 3
    seen = status.engine_status()
    assert (seen.state, seen.step) == ("failed", "compiling")
    assert seen.reason == "fatal error: omp.h: No such file"
    assert main(["--background"]) == 3
    assert calls(world) == ["wheel"]
    assert main(["--background", "--retry"]) == 3
    assert calls(world) == ["wheel", "wheel"]


def test_a_failed_download_is_tried_at_the_next_start(world):
    (world / "says").write_text(
        "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution"
    )
    assert main(["--background"]) == 3
    assert status.engine_status().reason == "its source could not be downloaded; connect and start again"
    assert main(["--background"]) == 3
    assert calls(world) == ["wheel", "wheel"]


def test_without_a_compiler_nothing_is_downloaded(world, monkeypatch):
    for module in (build_module, status):
        monkeypatch.setattr(module, "missing_compiler", lambda: MissingCompiler("a C++ compiler", "sudo apt install g++"))
    assert main(["--background"]) == 3
    assert calls(world) == []
    assert status.engine_status().command == "sudo apt install g++"


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        # Ninja's and Make's own lines, from builds of the pinned engine.
        ("  [5/193] /usr/bin/g++ -DGGML_BUILD -DGGML_SHARED -c ggml.cpp", 2),
        ("  [193/193] : && /usr/bin/g++ -shared", 100),
        ("[ 12%] Building CXX object src/CMakeFiles/llama.dir/llama.cpp.o", 12),
        ("  -- Found OpenMP: TRUE", None),
        ("  Downloading llama_cpp_python-0.3.36.tar.gz (76.6 MB)", None),
        ("[0/0] nothing", None),
    ],
)
def test_percent_of_a_compilers_line(line, percent):
    assert compiled_percent(line) == percent


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "  CMake Error at CMakeLists.txt:3 (project):\n  ERROR: Failed building wheel for llama-cpp-python",
            "CMake Error at CMakeLists.txt:3 (project):",
        ),
        ("/tmp/cc1plus: write failed: No space left on device\nerror: something later", "No space left on device"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "fatal error: Killed signal terminated program cc1plus"),
        ("", "no reason was given; see the log"),
    ],
)
def test_cause_of_a_failure(log, cause):
    assert failure_cause(log) == cause


def test_the_real_command_says_what_it_takes():
    shown = subprocess.run([sys.executable, "-m", "advisor.engine.build", "--help"], capture_output=True, text=True, check=True)
    assert "--wheel-only" in shown.stdout
