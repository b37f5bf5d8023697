"""Whether the engine is here, being built, or not to be had: one cheap question that pages may ask every second."""

import importlib
import importlib.metadata
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from advisor.engine.compiler import missing_compiler
from advisor.engine.recipe import PACKAGE, VERSION, Recipe, recipe_for_this_machine
from advisor.file_lock import is_locked

EngineState = Literal["installed", "building", "failed", "no compiler", "absent"]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What is known about the engine now; times in seconds."""

    state: EngineState
    step: str | None = None
    percent: int | None = None
    started_at: float | None = None
    """Unix time at which the build began."""
    usual_seconds: int | None = None
    reason: str | None = None
    """Why it failed, or what is missing."""
    command: str | None = None
    """What to type to get what is missing."""
    log: Path | None = None

    @property
    def sentence(self) -> str:
        """The state in one line, for a page or the command line."""
        if self.state == "installed":
            return f"The engine ({PACKAGE} {VERSION}) is installed."
        if self.state == "building":
            done = "" if self.percent is None else f", {self.percent} % done"
            usual = (
                "" if self.usual_seconds is None else f"; it usually takes about {max(1, round(self.usual_seconds / 60))} min"
            )
            return f"The engine is being built in the background ({self.step or 'starting'}{done}){usual}."
        if self.state == "absent":
            return f"The engine is not installed{'' if self.reason is None else f': {self.reason}'}."
        return f"The engine could not be built: {self.reason}."


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What a build writes down about itself as it goes on, so that it outlives the app that started it."""

    step: str
    percent: int | None
    started_at: float
    failure: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "BuildRecord | None":
        """The record of the build in `folder`; None where there is none, or none that can be read."""
        try:
            return cls(**json.loads((folder / "build.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Replace the record at once, so that a reader never sees half of it."""
        new = folder / f"build.json.{os.getpid()}"
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(folder / "build.json")


def engine_status() -> EngineStatus:
    """The state of the engine for this Python. A read-only operation: it starts nothing and imports no engine."""
    found = installed_version()
    if found == VERSION:
        return EngineStatus("installed")
    recipe = recipe_for_this_machine()
    log = recipe.folder / "build.log"
    shown_log = log if log.exists() else None
    record = BuildRecord.read(recipe.folder)
    if is_locked(lock_file(recipe)):
        record = record or BuildRecord("starting", None, time.time())
        return EngineStatus("building", record.step, record.percent, record.started_at, recipe.usual_seconds, log=shown_log)
    other = None if found is None else f"version {found} is here, {VERSION} is needed"
    missing = None if cached_wheel(recipe) else missing_compiler()
    if missing is not None:
        return EngineStatus("no compiler", reason=missing.sentence, command=missing.command)
    if record is not None and record.failure is not None:
        return EngineStatus("failed", record.step, started_at=record.started_at, reason=record.failure, log=shown_log)
    if record is not None and record.step != "done":
        reason = "the build was stopped before its end; it goes on at the next start"
        return EngineStatus("failed", record.step, started_at=record.started_at, reason=reason, log=shown_log)
    return EngineStatus("absent", reason=other)


def installed_version() -> str | None:
    """The version of the engine's package in this environment, without importing it; None where it is not installed."""
    # A build may have installed it after this process first looked.
    importlib.invalidate_caches()
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


def lock_file(recipe: Recipe) -> Path:
    """The lock that a build holds from its start to its end."""
    return recipe.folder / "build.lock"


def cached_wheel(recipe: Recipe) -> Path | None:
    """The wheel that an earlier build left, if any."""
    return next(iter(sorted(recipe.folder.glob("*.whl"))), None)
