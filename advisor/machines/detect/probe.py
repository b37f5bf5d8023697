"""What probes bring back: parts of a machine, and lines for the list of what was looked at."""

from dataclasses import dataclass

from advisor.machines.profile import Cpu, Disk, Gpu, SystemMemory


@dataclass(frozen=True, slots=True)
class NvmlGpu:
    """What NVML says of one GPU; None where the driver does not know."""

    name: str
    total_bytes: int | None
    reserved_bytes: int | None
    used_bytes: int | None
    compute_capability: str | None
    driver: str | None
    link: str | None
    pci: str | None


@dataclass(frozen=True, slots=True)
class FoundGpu:
    """A GPU that a probe has seen, with what decides how it is used."""

    gpu: Gpu
    integrated: bool
    via: str
    """The probe and what it read, for `sources`."""
    limit_bytes: int | None = None
    """Most that it may take of the shared memory, where the system says."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one probe found. A None or empty field says nothing about the machine."""

    name: str | None = None
    os: str | None = None
    gpus: tuple[FoundGpu, ...] = ()
    cpu: Cpu | None = None
    memory: SystemMemory | None = None
    disk: Disk | None = None
    profile_id: str | None = None
    """Profile of the library that this machine is, where the probe can tell (a board)."""
    newer_macos: bool | None = None
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """What was read, for a person: (what, value)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the list of what was probed and how."""

    source: str
    what: str
    value: str | None
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one probe: its part, or why there is none."""

    source: str
    part: Part | None
    seconds: float
    error: str | None

    def findings(self) -> tuple[Finding, ...]:
        """Its lines for the list."""
        if self.part is None or not self.part.facts:
            return (Finding(self.source, "", None, self.seconds, self.error or "nothing of this kind here"),)
        return tuple(Finding(self.source, what, value, self.seconds) for what, value in self.part.facts)


class ProbeError(Exception):
    """A probe found its source but could not use it; the message says why and what helps."""
