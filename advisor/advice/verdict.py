"""Does it fit? `judge` reads a plan against its machine and says why, in sentences with numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import MachineProfile
from advisor.memory.devices import Device
from advisor.memory.grid import Grid
from advisor.memory.margins import gpu_margin, highest_gpu_limit, left_of_limit, margin, reserve
from advisor.memory.plan import MemoryPlan, Pool
from advisor.units import format_size

Word = Literal["fits", "tight", "partial", "no"]
WORST_FIRST: tuple[Word, ...] = ("no", "partial", "tight", "fits")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plan comes to on a machine."""

    verdict: Word
    """fits: with a margin. tight: without it, or only by closing programs or raising a limit. partial: some of it is not on the
    GPU. no: something does not fit."""
    reasons: tuple[str, ...]
    """Sentences, the one that decided first; of those that say the same, the memory with least left."""
    headroom_bytes: int | None
    """What is left of the memory that has least; negative where it does not fit; None where no capacity is known."""
    tight: bool = False
    """Some memory is left without its margin, whatever else decides: a plan that is "partial" may be tight besides."""


def judge(plan: MemoryPlan, machine: MachineProfile) -> Verdict:
    """The verdict on `plan`.

    A system memory of unknown size holds whatever lies in it, and the reasons say so; a GPU's memory of unknown size makes a
    plan "tight" at best, never "fits".
    """
    pools = sorted((pool for pool in plan.pools if pool.total_bytes), key=_left)
    found = [_judge_pool(pool, machine) for pool in pools]
    found += _judge_offload(plan)
    found.sort(key=lambda one: WORST_FIRST.index(one[0]))
    known = [pool.headroom_bytes for pool in plan.pools if pool.headroom_bytes is not None]
    words = [word for word, _ in found]
    return Verdict(words[0], tuple(reason for _, reason in found), min(known) if known else None, "tight" in words)


def judge_grid(grid: Grid, devices: Sequence[Device], machine: MachineProfile) -> NDArray[np.int8]:
    """The verdict on every plan of `grid`, by file and context: its place in `WORST_FIRST`, as `judge` decides it."""
    found = np.full(grid.totals.shape[:2], WORST_FIRST.index("fits"), dtype=np.int8)
    for pool, total, gpu_total in grid.pools(devices):
        words = np.empty_like(found)
        for _, word, holds in reversed(_pool_rules(pool, machine, total, gpu_total)):
            words[holds] = WORST_FIRST.index(word)
        np.minimum(found, words, out=found, where=total > 0)
    return found


Rule = Literal["unknown", "too little", "over what it may take", "over the limit", "reserve", "margin", "gpu margin", "room"]
Holds = Any
"""True and False, or an array of them."""


def _pool_rules(pool: Pool, machine: MachineProfile, total: Any, gpu_total: Any) -> list[tuple[Rule, Word, Holds]]:
    """What may be said of `pool` where it holds `total` bytes, the GPUs `gpu_total` of them: the first that holds decides.

    Both are numbers, or arrays of them.
    """
    capacity, limit, always = pool.capacity_bytes, pool.gpu_limit_bytes, total >= 0
    if capacity is None:
        return [("unknown", "fits" if pool.kind == "ram" else "tight", always)]
    left = capacity - (pool.in_use_bytes or 0) - total
    found: list[tuple[Rule, Word, Holds]] = [("too little", "no", left < 0)]
    if limit is not None:
        over, highest = gpu_total > limit, highest_gpu_limit(machine)
        if highest is None:
            found.append(("over what it may take", "no", over))
        else:
            # The memory as a whole holds it, but not if that much is the GPU's.
            beyond = (gpu_total > (left_of_limit(machine, highest) or 0)) | (left < capacity - highest)
            found += [("over what it may take", "no", over & beyond), ("over the limit", "tight", over)]
    found += [("reserve", "tight", left < reserve(pool, machine)), ("margin", "tight", left < margin(pool, machine))]
    if limit is not None:
        found.append(("gpu margin", "tight", limit - gpu_total < gpu_margin(pool)))
    return [*found, ("room", "fits", always)]


def _left(pool: Pool) -> float:
    return inf if pool.headroom_bytes is None else pool.headroom_bytes


def _judge_pool(pool: Pool, machine: MachineProfile) -> tuple[Word, str]:
    rules = _pool_rules(pool, machine, pool.total_bytes, pool.gpu_total_bytes)
    rule, word = next((rule, word) for rule, word, holds in rules if holds)
    return word, _reason(rule, pool, machine)


def _reason(rule: Rule, pool: Pool, machine: MachineProfile) -> str:
    needs = f"It needs {format_size(pool.total_bytes)} of {_named(pool, machine)}"
    if pool.capacity_bytes is None:
        return f"{needs}, the size of which is not known{'.' if pool.kind == 'ram' else '; give --memory-gib.'}"
    room = pool.capacity_bytes - (pool.in_use_bytes or 0)
    left, kept = room - pool.total_bytes, reserve(pool, machine)
    needs += f", which has {format_size(room)}{' free' if pool.in_use_bytes else ''}"
    gpu = f"The GPU needs {format_size(pool.gpu_total_bytes)}"
    limit, memory = format_size(pool.gpu_limit_bytes or 0), format_size(pool.capacity_bytes)
    after = f"after the {format_size(kept)} that the system usually holds, " if kept else ""
    sentences: dict[Rule, str] = {
        "too little": f"{needs}: {format_size(-left)} too little.",
        "over what it may take": f"{gpu}, and may take {limit} of the {memory}: fewer layers on the GPU would fit.",
        "over the limit": f"{gpu}, and may take {limit} of the {memory}. This raises the limit: {machine.raise_gpu_limit}",
        "reserve": f"{needs}: that leaves {format_size(left)} to the system and other programs, which usually hold "
        f"{format_size(kept)}. Close what is not needed.",
        "margin": f"{needs}: {after}{format_size(left - kept)} to spare is less than a safe margin.",
        "gpu margin": f"{gpu} of the {limit} that it may take, which leaves less than a safe margin.",
        "room": f"{needs}: {format_size(left)} to spare."
        if pool.headroom_bytes == left
        else f"{gpu} of the {limit} that it may take: {format_size(pool.headroom_bytes)} to spare.",
    }
    return sentences[rule]


def _judge_offload(plan: MemoryPlan) -> list[tuple[Word, str]]:
    """What of the model the GPUs do not hold, where there are any."""
    if plan.devices[0].kind == "host":
        return []
    settings, host = plan.settings, plan.host
    weights = format_size(host.weights_bytes)
    shared = plan.devices[0].pool == host.pool
    where = "are left to the CPU, which is slower" if shared else "stay in system memory, where they are read many times slower"
    if settings.gpu_layers != "all" and host.kv_cache_bytes + host.recurrent_state_bytes > 0:
        one = "Only 1 layer is" if settings.gpu_layers == 1 else f"Only {settings.gpu_layers} layers are"
        layers = "No layer is" if settings.gpu_layers == 0 else one
        reason = f"{layers} on the GPU: {weights} of weights and their part of the context {where}."
    elif settings.cpu_moe_layers:
        reason = f"The experts of {settings.cpu_moe_layers} blocks ({weights} of weights) {where}."
    else:
        return []
    return [("partial", reason)]


def _named(pool: Pool, machine: MachineProfile) -> str:
    if pool.kind != "vram":
        return "unified memory" if pool.kind == "unified" else "system memory"
    index = int(pool.id.removeprefix("gpu"))
    name = machine.gpus[index].name
    return f"the memory of {name}" if len(machine.gpus) == 1 else f"the memory of GPU {index + 1} ({name})"
