"""Build the pinned engine once, keep its wheel in the user's cache, install it: `python -m advisor.engine.build`.

A process of its own: the app may come and go while it works. Two starts build once, by a lock.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from advisor.bootstrap import NO_NETWORK, start_engine_build
from advisor.engine.compiler import missing_compiler
from advisor.engine.recipe import PACKAGE, SOURCE_SHA256, VERSION, Recipe, recipe_for_this_machine
from advisor.engine.status import BuildRecord, EngineStatus, cached_wheel, engine_status, installed_version, lock_file
from advisor.file_lock import file_lock

# Ninja prints "[12/345] Building CXX object", Make "[ 12%] Building CXX object".
_NINJA = re.compile(r"\[(\d+)/(\d+)\] ")
_MAKE = re.compile(r"\[ *(\d+)%\] ")
_CAUSE = re.compile(r"(?:(?:fatal )?error:|CMake Error|No space left on device|\bKilled\b).*", re.IGNORECASE)
_FETCHING, _COMPILING, _INSTALLING, _DONE = "fetching the source", "compiling", "installing", "done"

__all__ = ["EngineStatus", "build", "engine_status", "main", "start_build"]

Told = Callable[[BuildRecord], None]


class BuildError(Exception):
    """The engine could not be built; the message says why, as the end of a sentence."""


def start_build() -> None:
    """Start the build in the background unless the engine is here; returns at once. Tries again what failed before."""
    start_engine_build(Path(sys.executable), retry=True)


def main(arguments: list[str] | None = None) -> int:
    """Build and install; the exit code: 0 installed, 3 not."""
    options = _parser().parse_args(arguments)
    recipe = recipe_for_this_machine()
    if options.background:
        _lower_priority()
        before = BuildRecord.read(recipe.folder)
        # A compilation that failed would fail again, for minutes, at every start; a download may have been a passing trouble.
        if before is not None and before.failure and before.step == _COMPILING and not options.retry:
            return 3
    status = build(recipe, install=not options.wheel_only, told=None if options.background else _print_step)
    if not options.background:
        print(status.sentence)
    return 0 if status.state == "installed" or (options.wheel_only and status.state == "absent") else 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m advisor.engine.build", description="Build and install the pinned engine.")
    parser.add_argument("--background", action="store_true", help="at the lowest priority, without a word")
    parser.add_argument("--retry", action="store_true", help="in the background too, try again what failed before")
    parser.add_argument("--wheel-only", action="store_true", help="only put the wheel into the cache")
    return parser


def build(recipe: Recipe, *, install: bool = True, told: Told | None = None) -> EngineStatus:
    """Have the engine of `recipe` built and installed, or the reason written down; `told` hears of each step."""
    if installed_version() == VERSION:
        return engine_status()
    recipe.folder.mkdir(parents=True, exist_ok=True)
    with file_lock(lock_file(recipe)):
        # Another start may have done all of it while this one waited.
        if installed_version() == VERSION:
            return engine_status()
        for left_behind in recipe.folder.glob("building-*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        journal = _Journal(recipe.folder, told)
        try:
            _build_and_install(recipe, journal, install=install)
        except BuildError as error:
            journal.fail(str(error))
        except OSError as error:
            journal.fail(f"{error.filename or recipe.folder}: {error.strerror}")
        else:
            journal.step(_DONE, 100)
    return engine_status()


def _build_and_install(recipe: Recipe, journal: "_Journal", *, install: bool) -> None:
    wheel = cached_wheel(recipe)
    if wheel is not None:
        if not install or _install(wheel, journal):
            return
        # Built on another machine that shares this home, or cut off while it was written.
        wheel.unlink()
    # pip keeps wheels by version alone, so with flags of our own its cache would hand out the wrong one.
    fresh = bool(recipe.flags)
    wheel, built_here = _make_wheel(recipe, journal, fresh=fresh)
    if not install or _install(wheel, journal):
        return
    wheel.unlink()
    if not built_here:
        wheel, _ = _make_wheel(recipe, journal, fresh=True)
        if _install(wheel, journal):
            return
        wheel.unlink()
    raise BuildError("it was built but does not start here; the log has its last words")


class _Journal:
    """The log and the record of one build."""

    def __init__(self, folder: Path, told: Told | None) -> None:
        self._folder = folder
        self._told = told
        self._record = BuildRecord(_FETCHING, None, time.time())
        self.log = (folder / "build.log").open("w", encoding="utf-8")
        self.step(_FETCHING, None)

    def step(self, step: str, percent: int | None) -> None:
        self._write(BuildRecord(step, percent, self._record.started_at))

    def progress(self, line: str) -> None:
        """Take step and percentage out of a line of the compiler's output."""
        self.log.write(line)
        percent = compiled_percent(line)
        if percent is not None and (self._record.step, self._record.percent) != (_COMPILING, percent):
            self.step(_COMPILING, percent)

    def fail(self, why: str) -> None:
        self._write(BuildRecord(self._record.step, self._record.percent, self._record.started_at, why))
        self.log.close()

    def _write(self, record: BuildRecord) -> None:
        self._record = record
        record.write(self._folder)
        self.log.flush()
        if self._told is not None:
            self._told(record)


def compiled_percent(line: str) -> int | None:
    """How much a line of Ninja's or Make's output says is done; None for any other line."""
    if match := _NINJA.search(line):
        done, total = int(match[1]), int(match[2])
        return 100 * done // total if total else None
    if match := _MAKE.search(line):
        return int(match[1])
    return None


def failure_cause(log: str) -> str:
    """The line of a failed build's log that says why, or a pointer to the log."""
    if any(mark in log for mark in NO_NETWORK):
        return "its source could not be downloaded; connect and start again"
    causes = [match[0].strip() for line in log.splitlines() if (match := _CAUSE.search(line))]
    # The first is the compiler's own; what follows are the tools above it saying that a part failed.
    return causes[0][:300] if causes else "no reason was given; see the log"


def _make_wheel(recipe: Recipe, journal: _Journal, *, fresh: bool) -> tuple[Path, bool]:
    """The wheel in the cache, and whether it was compiled here and now. `fresh` passes pip's own cache by."""
    journal.step(_FETCHING, None)
    missing = missing_compiler()
    if missing is not None:
        raise BuildError(missing.sentence)
    with tempfile.TemporaryDirectory(dir=recipe.folder, prefix="building-") as folder:
        pinned = Path(folder) / "engine.txt"
        pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SOURCE_SHA256}\n", encoding="utf-8")
        options = ["--verbose", "--no-deps", "--require-hashes", "--wheel-dir", folder, "--requirement", str(pinned)]
        exit_code, lines = _run_pip_wheel([*options, *(["--no-cache-dir"] if fresh else [])], recipe, journal)
        wheels = list(Path(folder).glob("*.whl"))
        if exit_code != 0 or not wheels:
            raise BuildError(failure_cause("".join(lines)))
        return wheels[0].replace(recipe.folder / wheels[0].name), any("Building wheel for" in line for line in lines)


def _run_pip_wheel(options: list[str], recipe: Recipe, journal: _Journal) -> tuple[int, list[str]]:
    """The exit code of `pip wheel` and what it said, each line told to the journal as it comes."""
    command = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-input", *options]
    environment = {**os.environ, "CMAKE_ARGS": " ".join(recipe.flags)} if recipe.flags else None
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            journal.progress(line)
    return process.returncode, lines


def _install(wheel: Path, journal: _Journal) -> bool:
    """Whether the engine of `wheel` is installed here and starts; what does not start is taken out again."""
    journal.step(_INSTALLING, None)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    commands = [
        [*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)],
        # Its own needs, where they are not here yet; no network is used where they are.
        [*pip, str(wheel)],
        # In a process of its own: libraries built for another CPU end it with an illegal instruction.
        [sys.executable, "-c", "import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.llama_print_system_info())"],
    ]
    if all(_succeeds(each, journal) for each in commands):
        return True
    _succeeds([sys.executable, "-m", "pip", "uninstall", "--yes", PACKAGE], journal)
    return False


def _succeeds(command: list[str], journal: _Journal) -> bool:
    return subprocess.run(command, stdout=journal.log, stderr=journal.log, check=False).returncode == 0


def _lower_priority() -> None:
    if hasattr(os, "nice"):
        os.nice(19)


def _print_step(record: BuildRecord) -> None:
    if record.percent is None or record.percent % 10 == 0:
        print(f"engine: {record.failure or record.step}{'' if record.percent is None else f' {record.percent} %'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
