"""Processors on which llama.cpp crashes with weights in the CPU's own layout: remembered, so that it happens once.

On CPUs with AMX under some hypervisors the first llama_decode dies in ggml_backend_amx_mul_mat. What was learned belongs to one
version of the engine on one machine.
"""

from pathlib import Path

from advisor.engine.recipe import VERSION
from advisor.machines.profile import MachineProfile
from advisor.paths import cache_folder
from advisor.verify.calibration import fingerprint


def needs_plain_layout(machine: MachineProfile, folder: Path | None = None) -> bool:
    """Whether the engine crashed here with the CPU's own layout, and ran without."""
    return _mark(machine, folder).exists()


def remember_plain_layout(machine: MachineProfile, folder: Path | None = None) -> None:
    """Begin without it from now on. Raises OSError where the folder cannot be written."""
    mark = _mark(machine, folder)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _mark(machine: MachineProfile, folder: Path | None) -> Path:
    return (folder or cache_folder() / "verify") / f"plain-layout-{VERSION}-{fingerprint(machine)}"
