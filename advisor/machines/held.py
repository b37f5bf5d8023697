"""What models that run now hold of this machine, where neither the system nor a driver counts it as in use."""

from dataclasses import dataclass

from advisor.machines.profile import Gpu, MachineProfile

SOURCE = "what the programs that hold models now say (Ollama: /api/ps)"


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that running models hold."""

    gpu_bytes: int = 0
    """On GPUs, by the programs' own account; which of several GPUs they do not say."""
    mapped_bytes: int = 0
    """Pages of their files in system memory, which Linux counts as available: it could take them back."""


def with_held(machine: MachineProfile, held: Held) -> MachineProfile:
    """`machine` with `held` in use where it is not counted already.

    A GPU whose driver says what is in use counts a running model like anything else. One whose driver does not gets all of
    `gpu_bytes`, every one of several. On a unified machine the memory's use includes what GPUs hold, but the limit of what all
    programs together may give the GPU (iogpu.wired_limit_mb, the GTT) does not know of it: see `memory.devices`.
    """
    silent = [index for index, gpu in enumerate(machine.gpus) if gpu.in_use_bytes is None] if held.gpu_bytes else []
    gpus = [_holding(gpu, held.gpu_bytes) if index in silent else gpu for index, gpu in enumerate(machine.gpus)]
    sources = machine.sources | {f"gpus.{index}.in_use_bytes": SOURCE for index in silent}
    memory = machine.memory
    if held.mapped_bytes and memory.in_use_bytes is not None and memory.capacity_bytes is not None:
        used = min(memory.in_use_bytes + held.mapped_bytes, memory.capacity_bytes)
        memory = memory.model_copy(update={"in_use_bytes": used})
    return machine.model_copy(update={"gpus": tuple(gpus), "memory": memory, "sources": sources})


def _holding(gpu: Gpu, held_bytes: int) -> Gpu:
    most = held_bytes if gpu.capacity_bytes is None else min(held_bytes, gpu.capacity_bytes)
    return gpu.model_copy(update={"in_use_bytes": most})
