"""How memory grows with the context, for several quantizations of one model, against what the machine has."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import MachineProfile
from advisor.memory.devices import devices_of
from advisor.memory.fitting import targets
from advisor.memory.margins import gpu_margin, margin
from advisor.memory.plan import MemoryPlan, Pool
from advisor.memory.planner import plan_memory
from advisor.memory.settings import RunSettings
from advisor.memory.sweep import Sweep, sweep
from advisor.models.metadata import ModelMetadata

LEAST_CONTEXT = 512
MOST_CONTEXT = 2**20


@dataclass(frozen=True)
class Curve:
    """What one quantization takes of the memory that decides, at each of `contexts`."""

    name: str
    contexts: tuple[int, ...]
    total_bytes: tuple[int, ...]
    longest: int | None
    """The longest of `contexts` that leaves the margin; None where none does, or where nothing limits it."""


@dataclass(frozen=True)
class Curves:
    """All curves over one memory: that of the first GPU, or the one memory where there is only that."""

    curves: tuple[Curve, ...]
    limit_bytes: int | None
    """What of that memory can be used, other programs' part subtracted; None where its size is unknown."""
    usable_bytes: int | None
    """The limit less the margin: what a plan may take and still "fits"."""


def curves_of(
    models: Mapping[str, ModelMetadata], machine: MachineProfile | None, settings: RunSettings, *, gpus: int = 1
) -> Curves:
    """A curve for each model of `models`, by its name.

    Automatic placement counts as all layers on the GPU: the question is with which context it still leaves all of them there.
    """
    room: NDArray[np.int64] | None = None
    if settings.gpu_layers == "auto":
        devices = devices_of(machine, gpus)
        room = np.array(targets(devices, np.zeros(len(devices), dtype=np.int64)), dtype=np.int64)
        settings = settings.model_copy(update={"gpu_layers": "all"})
    first = next(iter(models.values()))
    contexts = context_steps(first.hyperparameters.context_length, settings.context)
    plan = plan_memory(first, machine, settings, gpus=gpus)
    pool = deciding_pool(plan)
    members = [index for index, device in enumerate(plan.devices) if counts_in(device.kind, device.pool, pool)]
    limit, usable = limits(pool, machine)
    found = []
    for name, model in models.items():
        swept = sweep(model, machine, settings, contexts, gpus=gpus)
        totals = np.asarray(swept.total)[members].sum(axis=0)
        stays = np.ones(len(contexts), dtype=bool) if room is None else _stays(swept, room)
        whole = zip(contexts, totals, stays, strict=True)
        held = [context for context, total, stay in whole if usable is not None and total <= usable and stay]
        found.append(Curve(name, contexts, tuple(int(total) for total in totals), max(held) if held else None))
    return Curves(tuple(found), limit, usable)


def _stays(swept: Sweep, room: NDArray[np.int64]) -> NDArray[np.bool_]:
    """At which contexts automatic placement leaves all layers on the GPUs: their drivers' part is off `room` already."""
    own = swept.total - swept.overhead[:, None]
    stays: NDArray[np.bool_] = np.all(own[: len(room)] <= room[:, None], axis=0)
    return stays


def context_steps(trained: int | None, asked: int) -> tuple[int, ...]:
    """Contexts to draw: powers of two and the steps between, up to what the model was trained for, and the one asked for."""
    most = min(max(trained or 32768, LEAST_CONTEXT), MOST_CONTEXT)
    doubled = [LEAST_CONTEXT << power for power in range(12) if LEAST_CONTEXT << power <= most]
    between = [step * 3 // 2 for step in doubled if step >= 2048 and step * 3 // 2 <= most]
    return tuple(sorted({*doubled, *between, most, asked}))


def deciding_pool(plan: MemoryPlan) -> Pool:
    """The memory that the first GPU draws on; the host's where there is no GPU."""
    return next(pool for pool in plan.pools if pool.id == plan.devices[0].pool)


def limits(pool: Pool, machine: MachineProfile | None) -> tuple[int | None, int | None]:
    """What of `pool` can be used, and what of that keeps the margins of `judge`; None where its size is unknown."""
    if pool.capacity_bytes is None or machine is None:
        return None, None
    free = pool.capacity_bytes - (pool.in_use_bytes or 0)
    if pool.gpu_limit_bytes is None:
        return free, free - margin(pool, machine)
    beside = pool.total_bytes - pool.gpu_total_bytes
    return (
        min(pool.gpu_limit_bytes, free - beside),
        min(pool.gpu_limit_bytes - gpu_margin(pool), free - beside - margin(pool, machine)),
    )


def counts_in(kind: str, name: str, pool: Pool) -> bool:
    """True for devices of `pool` as a limit counts them; where the GPU's share of it is limited, for the GPU alone."""
    return name == pool.id and (pool.gpu_limit_bytes is None or kind == "gpu")
