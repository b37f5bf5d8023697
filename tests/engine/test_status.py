import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.engine import recipe as recipe_module
from advisor.engine import status
from advisor.engine.compiler import MissingCompiler
from advisor.engine.recipe import VERSION, recipe_for_this_machine
from advisor.engine.status import BuildRecord, EngineStatus, engine_status, lock_file
from tests.waiting import wall_clock

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from pathlib import Path
from advisor.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of this machine's build in an empty cache, on a machine with a compiler and without the engine."""
    monkeypatch.setattr(recipe_module, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(status, "installed_version", lambda: None)
    monkeypatch.setattr(status, "missing_compiler", lambda: None)
    made = recipe_for_this_machine().folder
    made.mkdir(parents=True)
    return made


def hold_lock():
    """Another process that holds the build's lock."""
    command = [sys.executable, "-c", HOLD, str(lock_file(recipe_for_this_machine()))]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder):
    holder.kill()
    holder.communicate()


def test_nothing_was_done_yet(folder):
    assert engine_status() == EngineStatus("absent")
    assert list(folder.iterdir()) == []


def test_the_pinned_version_is_installed(folder, monkeypatch):
    monkeypatch.setattr(status, "installed_version", lambda: VERSION)
    assert engine_status() == EngineStatus("installed")


def test_another_version_does_not_count_and_is_named(folder, monkeypatch):
    monkeypatch.setattr(status, "installed_version", lambda: "0.3.20")
    assert engine_status().sentence == f"The engine is not installed: version 0.3.20 is here, {VERSION} is needed."


def test_building_as_long_as_the_builder_lives(folder):
    BuildRecord("compiling", 42, 1_795_000_000.0).write(folder)
    holder = hold_lock()
    try:
        seen = engine_status()
    finally:
        end(holder)
    assert (seen.state, seen.step, seen.percent, seen.started_at) == ("building", "compiling", 42, 1_795_000_000.0)
    assert "compiling, 42 % done" in seen.sentence
    # Killed without a last word: the system has freed its lock.
    seen = engine_status()
    assert (seen.state, seen.step) == ("failed", "compiling")
    assert "stopped before its end" in seen.sentence


def test_a_failure_keeps_its_reason_and_its_log(folder):
    (folder / "build.log").write_text("")
    BuildRecord("compiling", 12, 1_795_000_000.0, "error: no member named 'x'").write(folder)
    seen = engine_status()
    assert (seen.state, seen.reason, seen.log) == ("failed", "error: no member named 'x'", folder / "build.log")


def test_no_compiler_says_what_to_type(folder, monkeypatch):
    monkeypatch.setattr(status, "missing_compiler", lambda: MissingCompiler("a C++ compiler", "sudo apt install g++"))
    BuildRecord("fetching the source", None, 0.0, "a C++ compiler is missing").write(folder)
    seen = engine_status()
    assert (seen.state, seen.command) == ("no compiler", "sudo apt install g++")
    assert seen.sentence == "The engine could not be built: a C++ compiler is missing; install it with: sudo apt install g++."


def test_no_compiler_is_needed_where_the_wheel_is_kept(folder, monkeypatch):
    monkeypatch.setattr(status, "missing_compiler", lambda: MissingCompiler("a C++ compiler", None))
    (folder / "llama_cpp_python-0.3.36-py3-none-any.whl").write_bytes(b"")
    assert engine_status().state == "absent"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"step": 1}', '{"step": "", "percent": 1, "started_at": 1, "new": 1}'])
def test_a_record_that_cannot_be_read_is_none(folder, text):
    (folder / "build.json").write_text(text)
    assert BuildRecord.read(folder) is None
    assert engine_status().state == "absent"


def test_a_record_comes_back_as_it_was_written(folder):
    record = BuildRecord("compiling", 7, 12.5)
    record.write(folder)
    assert BuildRecord.read(folder) == record
    assert [path.name for path in folder.iterdir()] == ["build.json"]
    assert json.loads((folder / "build.json").read_text())["percent"] == 7


@wall_clock
def test_asking_is_cheap(folder):
    engine_status()
    began = time.perf_counter()
    for _ in range(20):
        engine_status()
    assert (time.perf_counter() - began) / 20 < 0.05
