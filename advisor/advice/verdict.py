"""Does it fit? `judge` reads a plan against its machine and says why, in sentences with numbers."""

from dataclasses import dataclass
from typing import Literal

from advisor.machines.profile import MachineProfile
from advisor.memory.margins import gpu_margin, highest_gpu_limit, margin, reserve
from advisor.memory.plan import MemoryPlan, Pool
from advisor.units import format_size

Word = Literal["fits", "tight", "partial", "no"]
_WORST_FIRST: tuple[Word, ...] = ("no", "partial", "tight", "fits")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plan comes to on a machine."""

    verdict: Word
    """fits: with a margin. tight: without it, or only by closing programs or raising a limit. partial: some of it is not on the
    GPU. no: something does not fit."""
    reasons: tuple[str, ...]
    """Sentences, the one that decided first."""
    headroom_bytes: int | None
    """What is left of the memory that has least; negative where it does not fit; None where no capacity is known."""
    tight: bool = False
    """Some memory is left without its margin, whatever else decides: a plan that is "partial" may be tight besides."""


def judge(plan: MemoryPlan, machine: MachineProfile) -> Verdict:
    """The verdict on `plan`.

    A system memory of unknown size holds whatever lies in it, and the reasons say so; a GPU's memory of unknown size makes a
    plan "tight" at best, never "fits".
    """
    found = [_judge_pool(pool, machine) for pool in plan.pools if pool.total_bytes]
    found += _judge_offload(plan)
    found.sort(key=lambda one: _WORST_FIRST.index(one[0]))
    known = [pool.headroom_bytes for pool in plan.pools if pool.headroom_bytes is not None]
    words = [word for word, _ in found]
    return Verdict(words[0], tuple(reason for _, reason in found), min(known) if known else None, "tight" in words)


def _judge_pool(pool: Pool, machine: MachineProfile) -> tuple[Word, str]:
    name = _named(pool, machine)
    needs = f"It needs {format_size(pool.total_bytes)} of {name}"
    if pool.capacity_bytes is None:
        if pool.kind == "ram":
            return "fits", f"{needs}, the size of which is not known."
        return "tight", f"{needs}, the size of which is not known; give --memory-gib."
    room = pool.capacity_bytes - (pool.in_use_bytes or 0)
    needs += f", which has {format_size(room)}{' free' if pool.in_use_bytes else ''}"
    if room < pool.total_bytes:
        return "no", f"{needs}: {format_size(pool.total_bytes - room)} too little."
    if pool.gpu_limit_bytes is not None and pool.gpu_total_bytes > pool.gpu_limit_bytes:
        return _over_limit(pool, machine, room - pool.total_bytes)
    return _judge_margins(pool, machine, needs, room - pool.total_bytes)


def _judge_margins(pool: Pool, machine: MachineProfile, needs: str, left: int) -> tuple[Word, str]:
    """Whether what a pool holds leaves enough free."""
    kept = reserve(pool, machine)
    if left < kept:
        return "tight", (
            f"{needs}: that leaves {format_size(left)} to the system and other programs, which usually hold "
            f"{format_size(kept)}. Close what is not needed."
        )
    if left < margin(pool, machine):
        after = f"after the {format_size(kept)} that the system usually holds, " if kept else ""
        return "tight", f"{needs}: {after}{format_size(left - kept)} to spare is less than a safe margin."
    if pool.gpu_limit_bytes is not None and pool.gpu_limit_bytes - pool.gpu_total_bytes < gpu_margin(pool):
        return "tight", (
            f"The GPU needs {format_size(pool.gpu_total_bytes)} of the {format_size(pool.gpu_limit_bytes)} that it may take, "
            "which leaves less than a safe margin."
        )
    return "fits", f"{needs}: {format_size(left)} to spare."


def _over_limit(pool: Pool, machine: MachineProfile, left: int) -> tuple[Word, str]:
    """The GPU's part is over its limit, though the memory as a whole holds it."""
    said = (
        f"The GPU needs {format_size(pool.gpu_total_bytes)}, and may take {format_size(pool.gpu_limit_bytes)} of the "
        f"{format_size(pool.capacity_bytes)}"
    )
    highest = highest_gpu_limit(machine)
    if highest is None or pool.gpu_total_bytes > highest or left < (pool.capacity_bytes or 0) - highest:
        return "no", f"{said}: fewer layers on the GPU would fit."
    return "tight", f"{said}. This raises the limit: {machine.raise_gpu_limit}"


def _judge_offload(plan: MemoryPlan) -> list[tuple[Word, str]]:
    """What of the model the GPUs do not hold, where there are any."""
    if plan.devices[0].kind == "host":
        return []
    settings, host = plan.settings, plan.host
    weights = format_size(host.weights_bytes)
    shared = plan.devices[0].pool == host.pool
    where = "are left to the CPU, which is slower" if shared else "stay in system memory, where they are read many times slower"
    if settings.gpu_layers != "all" and host.kv_cache_bytes + host.recurrent_state_bytes > 0:
        layers = "No layer is" if settings.gpu_layers == 0 else f"Only {settings.gpu_layers} layers are"
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
