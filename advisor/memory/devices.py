"""The devices that a plan is laid on: a machine's GPUs and its host, or GPUs without a limit where no machine is named."""

from dataclasses import dataclass
from typing import Literal

from advisor.machines.capacity import typical_capacity
from advisor.machines.profile import Backend, MachineProfile
from advisor.memory.margins import left_of_limit
from advisor.memory.overhead import gpu_overhead, system_reserve
from advisor.memory.plan import Pool

UNIFIED = "unified"
RAM = "ram"


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU or the host, as placement sees it."""

    name: str
    kind: Literal["gpu", "host"]
    backend: Backend | None
    pool: str
    capacity_bytes: int | None
    in_use_bytes: int | None
    limit_bytes: int | None = None
    """Most that a GPU may take of a unified pool, less what running models have taken of that already."""
    reserve_bytes: int = 0
    """What is left to the system in a shared pool whose use nobody has measured."""

    @property
    def free_bytes(self) -> int | None:
        """What the engine finds free before it loads anything, its own driver overhead taken off; None without a limit."""
        if self.capacity_bytes is None:
            return None
        free = self.capacity_bytes - (self.in_use_bytes or 0) - self.reserve_bytes
        if self.limit_bytes is not None:
            free = min(free, self.limit_bytes)
        return max(free - (gpu_overhead(self.backend) if self.kind == "gpu" else 0), 0)


def devices_of(machine: MachineProfile | None, gpus: int) -> tuple[Device, ...]:
    """The devices of `machine`, or `gpus` equal GPUs without a limit; GPUs first, the host last."""
    if machine is None:
        cards = tuple(Device(f"GPU {i}", "gpu", None, f"gpu{i}", None, None) for i in range(gpus))
        return (*cards, Device("Host", "host", None, RAM, None, None))
    memory, shared = machine.memory, machine.kind == "unified"
    host = Device("Host", "host", None, UNIFIED if shared else RAM, memory.capacity_bytes, memory.in_use_bytes)
    profiles = () if machine.kind == "cpu" else machine.gpus
    found: list[Device] = []
    for index, gpu in enumerate(profiles):
        if shared:
            found.append(
                Device(
                    gpu.name,
                    "gpu",
                    gpu.backend,
                    UNIFIED,
                    memory.capacity_bytes,
                    memory.in_use_bytes,
                    left_of_limit(machine, machine.gpu_limit_bytes),
                    system_reserve(machine),
                )
            )
            continue
        capacity = gpu.capacity_bytes
        if capacity is None and gpu.memory_bytes is not None:
            capacity = typical_capacity(gpu.memory_bytes)
        found.append(Device(gpu.name, "gpu", gpu.backend, f"gpu{index}", capacity, gpu.in_use_bytes))
    return (*found, host)


def empty_pool(name: str, first: Device) -> Pool:
    """The memory `name`, of which `first` is the first device, with nothing in it."""
    return Pool(
        id=name,
        kind="unified" if name == UNIFIED else "ram" if name == RAM else "vram",
        capacity_bytes=first.capacity_bytes,
        gpu_limit_bytes=first.limit_bytes,
        in_use_bytes=first.in_use_bytes,
        total_bytes=0,
        gpu_total_bytes=0,
    )
