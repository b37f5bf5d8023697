"""What this machine is: `detect()` with the list of what was looked at, `detect_machine()` for the profile alone.

`detect_fast` reads files and asks drivers (at most 0.3 s); `detect` also starts programs (at most 2 s). Both return in time
whatever hangs. Nothing is written and nothing is sent.
"""

import time
from dataclasses import dataclass

from advisor.machines.detect import amd, amd_tools, apple, boards, host, intel, nvidia, pci, windows
from advisor.machines.detect.assemble import assemble, in_one_line
from advisor.machines.detect.probe import Finding, Outcome, Part, ProbeError
from advisor.machines.detect.race import Probe, Race
from advisor.machines.detect.system import System
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile

__all__ = ["Detection", "Finding", "Part", "ProbeError", "System", "detect", "detect_fast", "detect_machine", "in_one_line"]

FAST_S, ALL_S = 0.3, 2.0
_FAST_SHARE, _ALL_SHARE = 0.7, 0.85
"""Of the time allowed, what probes get; the rest is for putting the machine together on a busy processor."""
_HOST = (
    Probe("memory", host.memory),
    Probe("processor", host.cpu),
    Probe("operating system", host.surroundings),
    Probe("disk", host.disk),
)
_LINUX = (
    Probe("device tree", boards.from_device_tree),
    Probe("NVML", nvidia.from_nvml),
    Probe("AMD kernel files", amd.from_sysfs),
    Probe("Intel kernel files", intel.from_sysfs),
    Probe("PCI bus", pci.without_driver),
    Probe("nvidia-smi", nvidia.from_smi, fast=False),
    Probe("amd-smi", amd_tools.from_amd_smi, fast=False),
    Probe("rocm-smi", amd_tools.from_rocm_smi, fast=False),
)
_MAC = (
    Probe("sysctl", apple.from_sysctl),
    Probe("system_profiler", apple.from_system_profiler, fast=False),
    Probe("mlx", apple.from_mlx, fast=False),
)
_WINDOWS = (
    Probe("NVML", nvidia.from_nvml),
    Probe("registry", windows.from_registry),
    Probe("nvidia-smi", nvidia.from_smi, fast=False),
)
_BY_PLATFORM = {"Linux": _LINUX, "Darwin": _MAC, "Windows": _WINDOWS}
_THIS_MACHINE = System()
_QUIET = frozenset({"mlx", "amd-smi", "rocm-smi"})
"""Probes whose failure says nothing about the machine."""
_STANDS_IN = {"nvidia-smi": "NVML", "amd-smi": "AMD kernel files", "rocm-smi": "AMD kernel files"}
"""Probes that are only needed where another found no GPU."""


@dataclass(frozen=True)
class Detection:
    """The machine, what was looked at, and whether every probe was asked and answered."""

    profile: MachineProfile
    findings: tuple[Finding, ...]
    complete: bool
    seconds: float


def detect_machine(deadline_s: float = ALL_S, system: System | None = None) -> MachineProfile:
    """This machine, within `deadline_s` seconds."""
    return detect(deadline_s, system).profile


def detect_fast(deadline_s: float = FAST_S, system: System | None = None) -> Detection:
    """This machine as far as files and drivers tell at once; `detect` fills in the rest."""
    return _detect(deadline_s, 0.0, system)


def detect(deadline_s: float = ALL_S, system: System | None = None) -> Detection:
    """This machine with all probes, within `deadline_s` seconds whatever hangs."""
    return _detect(min(FAST_S, deadline_s / 2), deadline_s, system)


def _detect(fast_s: float, all_s: float, system: System | None) -> Detection:
    began = time.monotonic()
    race = Race(system or _THIS_MACHINE)
    probes = (*_HOST, *_BY_PLATFORM.get(race.system.platform, ()))
    for probe in probes:
        if probe.fast:
            race.start(probe)
    race.wait(began + fast_s * _FAST_SHARE)
    if all_s:
        answered = {outcome.source: outcome for outcome in race.outcomes()}
        for probe in probes:
            if not probe.fast and not _found_gpus(answered.get(_STANDS_IN.get(probe.source, ""))):
                race.start(probe)
        race.wait(began + all_s * _ALL_SHARE)
    return _detection(race, probes, began, asked_all=bool(all_s))


def _found_gpus(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.part is not None and bool(outcome.part.gpus)


def _detection(race: Race, probes: tuple[Probe, ...], began: float, *, asked_all: bool) -> Detection:
    answers = {outcome.source: outcome for outcome in race.outcomes()}
    inorder = [answers[probe.source] for probe in probes if probe.source in answers]
    parts = [(outcome.source, outcome.part) for outcome in inorder if outcome.part is not None]
    profile = assemble(parts, library())
    failed = [f"{outcome.source}: {outcome.error}." for outcome in inorder if outcome.error and outcome.source not in _QUIET]
    profile = profile.model_copy(update={"notes": (*profile.notes, *failed)})
    findings = tuple(finding for outcome in inorder for finding in outcome.findings())
    complete = asked_all and all(outcome.error is None for outcome in inorder)
    return Detection(profile, findings, complete, time.monotonic() - began)
