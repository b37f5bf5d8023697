"""Nominal sizes to the capacity that a driver or an operating system reports, and what follows from it for shared memory.

Pure. A capacity that is known stays; an unknown one is the nominal size less 2.5 % (a 24 GB card reports about 24,080 MiB
of 24,576), the same for a card by its name and by its numbers. A Mac reports its memory in full (`hw.memsize` of a 24 GB
Mac is 25769803776: archspec/archspec#201).
"""

from dataclasses import dataclass

from advisor.machines import apple_limit, gtt_limit
from advisor.machines.profile import Gpu, MachineProfile

TYPICAL_SOURCE = "typical: nominal less 2.5 % (a 24 GB card reports about 24,080 of 24,576 MiB)"


@dataclass(frozen=True, slots=True)
class GpuLimit:
    """Most that the GPU may take of a shared memory, and the command that raises it."""

    limit_bytes: int
    raise_command: str
    source: str


def typical_capacity(nominal_bytes: int) -> int:
    """What is left to programs of a memory of this nominal size, where nobody has read it: 2.5 % less."""
    return nominal_bytes * 975 // 1000


def gpu_limit(vendor: str, memory_bytes: int, *, newer_macos: bool = True) -> GpuLimit | None:
    """The limit for an integrated GPU of this vendor in a memory of this size; None where there is none or none is known.

    NVIDIA's (GB10, Jetson) may take what is free of the whole memory.
    """
    if vendor == "apple":
        limit = apple_limit.wired_limit(memory_bytes, newer_macos=newer_macos)
        return GpuLimit(limit, apple_limit.raise_command(apple_limit.highest_limit(memory_bytes)), apple_limit.SOURCE)
    if vendor == "amd":
        command = gtt_limit.raise_command(gtt_limit.highest_limit(memory_bytes))
        return GpuLimit(gtt_limit.gtt_limit(memory_bytes), command, gtt_limit.SOURCE)
    return None


def with_gpu_memory(gpu: Gpu, nominal_bytes: int) -> Gpu:
    """`gpu` with a memory of this nominal size, and the capacity that is typical for it."""
    return gpu.model_copy(update={"memory_bytes": nominal_bytes, "capacity_bytes": typical_capacity(nominal_bytes)})


def with_memory(machine: MachineProfile, nominal_bytes: int) -> MachineProfile:
    """`machine` with system memory of this nominal size; on unified machines the GPU's limit goes with it."""
    is_mac = machine.kind == "unified" and bool(machine.gpus) and machine.gpus[0].vendor == "apple"
    capacity = nominal_bytes if is_mac else typical_capacity(nominal_bytes)
    source = "hw.memsize of a Mac is its nominal memory (archspec/archspec#201)" if is_mac else TYPICAL_SOURCE
    changed = machine.model_copy(
        update={
            "memory": machine.memory.model_copy(update={"capacity_bytes": capacity}),
            "sources": {**machine.sources, "memory.capacity_bytes": source},
        }
    )
    return with_gpu_limit(changed)


def with_gpu_limit(machine: MachineProfile) -> MachineProfile:
    """`machine` with the limit that its GPU has in its memory, where it is unified and its size is known."""
    size = machine.memory.capacity_bytes
    limit = gpu_limit(machine.gpus[0].vendor, size) if machine.kind == "unified" and machine.gpus and size else None
    if limit is None:
        return machine.model_copy(update={"gpu_limit_bytes": None, "raise_gpu_limit": None})
    return machine.model_copy(
        update={
            "gpu_limit_bytes": limit.limit_bytes,
            "raise_gpu_limit": limit.raise_command,
            "sources": {**machine.sources, "gpu_limit_bytes": limit.source},
        }
    )


def completed(machine: MachineProfile) -> MachineProfile:
    """A profile as its file has it, with the capacities that follow from its nominal sizes.

    A memory that was sold in one size only is known; where several were sold it stays unknown (`adjust` takes the smallest).
    """
    gpus, sources = [], dict(machine.sources)
    for index, gpu in enumerate(machine.gpus):
        if gpu.capacity_bytes is None and gpu.memory_bytes is not None:
            gpus.append(with_gpu_memory(gpu, gpu.memory_bytes))
            sources[f"gpus.{index}.capacity_bytes"] = TYPICAL_SOURCE
        else:
            gpus.append(gpu)
    machine = machine.model_copy(update={"gpus": tuple(gpus), "sources": sources})
    if machine.memory.capacity_bytes is None and len(machine.memory_options_bytes) == 1:
        return with_memory(machine, machine.memory_options_bytes[0])
    return machine if machine.gpu_limit_bytes is not None else with_gpu_limit(machine)
