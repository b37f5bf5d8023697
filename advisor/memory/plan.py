"""The answer to "what does it need": `MemoryPlan`, bytes by device and component."""

from dataclasses import dataclass
from typing import Literal

from advisor.memory.placement import Placement
from advisor.memory.settings import RunSettings

Grade = Literal["formula", "engine", "measured", "typical"]


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What one device, or the host, holds. All sizes in bytes."""

    name: str
    kind: Literal["gpu", "host"]
    pool: str
    """Id of the memory it draws on; devices of one pool share it (Apple silicon, integrated GPUs)."""
    capacity_bytes: int | None
    in_use_bytes: int | None
    weights_bytes: int
    kv_cache_bytes: int
    recurrent_state_bytes: int
    compute_bytes: int
    output_bytes: int
    projector_bytes: int
    draft_bytes: int
    overhead_bytes: int
    """What driver and runtime take beyond the engine's buffers (grade: typical); not part of what load logs print."""

    @property
    def total_bytes(self) -> int:
        """All components together, overhead included."""
        return (
            self.weights_bytes
            + self.kv_cache_bytes
            + self.recurrent_state_bytes
            + self.compute_bytes
            + self.output_bytes
            + self.projector_bytes
            + self.draft_bytes
            + self.overhead_bytes
        )

    @property
    def headroom_bytes(self) -> int | None:
        """Capacity less what is in use and the total; negative where it does not fit; None where the capacity is unknown."""
        return None if self.capacity_bytes is None else self.capacity_bytes - (self.in_use_bytes or 0) - self.total_bytes


@dataclass(frozen=True, slots=True)
class Pool:
    """One physical memory. `total_bytes` counts file pages that host and GPU have both mapped once."""

    id: str
    kind: Literal["vram", "ram", "unified"]
    capacity_bytes: int | None
    gpu_limit_bytes: int | None
    """Most that the GPU may take of a unified pool (Apple's wired limit, AMD's GTT); None where there is no such limit."""
    in_use_bytes: int | None
    total_bytes: int
    gpu_total_bytes: int

    @property
    def headroom_bytes(self) -> int | None:
        """What is left by the tighter of capacity and GPU limit; None where the capacity is unknown."""
        if self.capacity_bytes is None:
            return None
        left = self.capacity_bytes - (self.in_use_bytes or 0) - self.total_bytes
        return left if self.gpu_limit_bytes is None else min(left, self.gpu_limit_bytes - self.gpu_total_bytes)


@dataclass(frozen=True)
class MemoryPlan:
    """A model laid out on a machine: GPUs first, the host always last."""

    devices: tuple[DevicePlan, ...]
    pools: tuple[Pool, ...]
    settings: RunSettings
    """As asked, with `gpu_layers` and `cpu_moe_layers` as they came out of automatic placement."""
    grade: Grade
    assumptions: tuple[str, ...]
    placement: Placement | None = None
    """Which device holds which block; None where the runtime spreads the model its own way."""

    @property
    def host(self) -> DevicePlan:
        """The host's row."""
        return self.devices[-1]

    @property
    def total_bytes(self) -> int:
        """All pools together: what the run takes of the machine."""
        return sum(pool.total_bytes for pool in self.pools)
