"""What runs on this machine say about forecasts for it: kept in the user's data folder, used wherever it is asked about.

A run counts for the same machine, the same kind of program and the same place of the layers: what a GPU reaches says nothing
about the processor. The last run of each model counts; factors of several models are averaged, and their spread widens.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.file_lock import file_lock
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.paths import data_folder
from advisor.speed.forecast import Calibration

Place = Literal["gpu", "host", "split"]
_MOST_RUNS = 200
_PLAUSIBLE = Field(gt=0.001, lt=1000, allow_inf_nan=False)
_USUAL_SPREAD = 0.07
"""What one run is trusted to, whatever its own spread: the next day, another prompt, another power plan."""


class KeptRun(BaseModel):
    """One measured run, as factors of the forecast that knew nothing of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: Annotated[str, Field(max_length=64)]
    """A digest of the hardware, no name."""
    program: Literal["llama.cpp", "mlx"]
    place: Place
    model: Annotated[str, Field(max_length=200)]
    generate_factor: Annotated[float, _PLAUSIBLE] | None = None
    prompt_factor: Annotated[float, _PLAUSIBLE] | None = None
    generate_spread: tuple[Annotated[float, _PLAUSIBLE], Annotated[float, _PLAUSIBLE]] = (1.0, 1.0)
    prompt_spread: tuple[Annotated[float, _PLAUSIBLE], Annotated[float, _PLAUSIBLE]] = (1.0, 1.0)
    measured_at: datetime


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    runs: tuple[KeptRun, ...] = ()


def calibration_for(plan: MemoryPlan, machine: MachineProfile | None, path: Path | None = None) -> Calibration | None:
    """What was measured here for plans like this one; None for another machine, or where nothing was measured."""
    if machine is None or machine.origin != "detected":
        return None
    digest, place, program = fingerprint(machine), place_of(plan), program_of(plan.settings.runtime)
    found = [run for run in kept_runs(path) if (run.machine, run.place, run.program) == (digest, place, program)]
    if not found:
        return None
    generate, generate_spread = _averaged([(run.generate_factor, run.generate_spread) for run in found])
    prompt, prompt_spread = _averaged([(run.prompt_factor, run.prompt_spread) for run in found])
    day = max(run.measured_at for run in found).date().isoformat()
    return Calibration(generate, prompt, day, generate_spread, prompt_spread)


def calibrations_of(machine: MachineProfile) -> Callable[[MemoryPlan], Calibration | None]:
    """The same for all plans on one machine: a list of models asks a thousand times."""
    if machine.origin != "detected" or not kept_runs():
        return _nothing
    kept: dict[tuple[Place, str], Calibration | None] = {}

    def calibrated(plan: MemoryPlan) -> Calibration | None:
        key = (place_of(plan), program_of(plan.settings.runtime))
        if key not in kept:
            kept[key] = calibration_for(plan, machine)
        return kept[key]

    return calibrated


def calibration_mark(machine: MachineProfile) -> str:
    """Changes whenever something was measured or forgotten here; empty for other machines. For keys of kept answers."""
    if machine.origin != "detected":
        return ""
    return hashlib.sha256("".join(f"{run.measured_at} {run.model}" for run in kept_runs()).encode()).hexdigest()[:16]


def _nothing(_: MemoryPlan) -> Calibration | None:
    return None


def remember(run: KeptRun, path: Path | None = None) -> None:
    """Keep a run; an older one of the same model in the same place is replaced. Written at once, whole or not at all.

    Raises OSError where the folder cannot be written.
    """
    path = path or calibration_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_suffix(".lock")):
        same = (run.machine, run.program, run.place, run.model)
        others = [old for old in kept_runs(path) if (old.machine, old.program, old.place, old.model) != same]
        _write(path, _Kept(runs=tuple([*others, run][-_MOST_RUNS:])))


def forget(path: Path | None = None) -> int:
    """Forget everything that was measured here; how many runs that were."""
    path = path or calibration_file()
    count = len(kept_runs(path))
    path.unlink(missing_ok=True)
    return count


def kept_runs(path: Path | None = None) -> tuple[KeptRun, ...]:
    """All that is kept; nothing where the file is not there or is damaged."""
    path = path or calibration_file()
    try:
        status = path.stat()
    except OSError:
        return ()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _changed_ns: int, _size: int) -> tuple[KeptRun, ...]:
    """Read once for each change: a ranking asks a thousand times."""
    with contextlib.suppress(OSError, ValidationError, ValueError, RecursionError):
        return _Kept.model_validate_json(path.read_bytes()).runs
    return ()


def calibration_file() -> Path:
    """Where the runs of this machine are kept."""
    return data_folder() / "calibration.json"


def fingerprint(machine: MachineProfile) -> str:
    """A digest of what makes this machine as fast as it is: its processor, its GPUs, its memory's size."""
    parts = {
        "cpu": [machine.cpu.name, machine.cpu.performance_cores, machine.cpu.threads],
        "gpus": [[gpu.name, gpu.memory_bytes or gpu.capacity_bytes] for gpu in machine.gpus],
        "memory": machine.memory.capacity_bytes and round(machine.memory.capacity_bytes / 2**30),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def place_of(plan: MemoryPlan) -> Place:
    """Where the layers of a plan are: all on GPUs, all on the host, or some on each."""
    layers = plan.settings.gpu_layers
    if plan.devices[0].kind == "host" or layers == 0:
        return "host"
    on_host = plan.host.kv_cache_bytes + plan.host.recurrent_state_bytes > 0 or plan.settings.cpu_moe_layers > 0
    return "split" if on_host else "gpu"


def program_of(runtime: str) -> Literal["llama.cpp", "mlx"]:
    """Which of the two engines that can be measured `runtime` is built on."""
    return "mlx" if runtime == "mlx" else "llama.cpp"


def kept_run(
    plan: MemoryPlan,
    machine: MachineProfile,
    model: str,
    *,
    generate: tuple[float, float, float, float] | None,
    prompt: tuple[float, float, float, float] | None,
) -> KeptRun:
    """A run as factors. `generate` and `prompt` are (forecast, median, lowest, highest) in tokens a second."""
    spreads = [(1.0, 1.0) if found is None else (found[2] / found[1], found[3] / found[1]) for found in (generate, prompt)]
    return KeptRun(
        machine=fingerprint(machine),
        program=program_of(plan.settings.runtime),
        place=place_of(plan),
        model=model[:200],
        generate_factor=None if generate is None else generate[1] / generate[0],
        prompt_factor=None if prompt is None else prompt[1] / prompt[0],
        generate_spread=spreads[0],
        prompt_spread=spreads[1],
        measured_at=datetime.now(UTC),
    )


def _averaged(
    factors: list[tuple[float | None, tuple[float, float]]],
) -> tuple[float | None, tuple[float, float]]:
    """The geometric mean of the factors, and the range that all of them and their own spreads lie in, relative to it."""
    known = [(factor, spread) for factor, spread in factors if factor is not None]
    usual = (1 - _USUAL_SPREAD, 1 + _USUAL_SPREAD)
    if not known:
        return None, usual
    mean = math.exp(sum(math.log(factor) for factor, _ in known) / len(known))
    low = min(factor * spread[0] for factor, spread in known) / mean
    high = max(factor * spread[1] for factor, spread in known) / mean
    return mean, (min(low, usual[0]), max(high, usual[1]))


def _write(path: Path, kept: _Kept) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(kept.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
