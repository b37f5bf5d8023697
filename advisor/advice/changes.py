"""What would have to change for a model to fit: the smallest change of each kind, the least harmful first. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.advice.verdict import Verdict, judge
from advisor.errors import HeadroomError
from advisor.machines.adjust import adjust
from advisor.machines.profile import MachineProfile
from advisor.memory.margins import highest_gpu_limit
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.settings import CacheType, RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.units import GIB, format_size, gib

Kind = Literal["programs", "limit", "cache", "context", "quantization", "several", "part", "memory"]

LEAST_CONTEXT = 2048
"""Below this a conversation is cut after a few answers."""
CACHES: tuple[CacheType, ...] = ("q8_0", "q4_0")
SIZES_GIB = (4, 6, 8, 10, 11, 12, 16, 20, 22, 24, 32, 36, 40, 48, 64, 80, 96, 128, 141, 192, 256, 384, 512, 768, 1024)
"""Sizes that memories are sold in."""


@dataclass(frozen=True)
class Change:
    """One way to make it fit."""

    kind: Kind
    said: str
    """What to do, as a sentence."""
    plan: MemoryPlan
    verdict: Verdict
    quantization: str | None = None
    """The file to take, where another one is the change."""


Quantized = Callable[[str], ModelMetadata]


def changes(
    model: ModelMetadata,
    machine: MachineProfile,
    settings: RunSettings,
    *,
    smaller: Sequence[str] = (),
    quantized: Quantized | None = None,
) -> tuple[Change, ...]:
    """What makes `model` fit on `machine` where it does not with `settings`: the smallest step of each kind that does.

    `smaller` are the quantizations below the model's own, best first, which `quantized` makes. Empty where nothing helps.
    """
    found = [change for change in _single(model, machine, settings, smaller, quantized) if change is not None]
    if not any(change.kind in ("programs", "limit", "cache", "context", "quantization") for change in found):
        together = _together(model, machine, settings, smaller, quantized)
        found = [*([together] if together else []), *found]
    return tuple(found)


def _single(
    model: ModelMetadata,
    machine: MachineProfile,
    settings: RunSettings,
    smaller: Sequence[str],
    quantized: Quantized | None,
) -> Iterator[Change | None]:
    yield _programs(model, machine, settings)
    yield _limit(model, machine, settings)
    yield _first(_caches(model, machine, settings))
    yield _first(_contexts(model, machine, settings))
    yield _first(_files(machine, settings, smaller, quantized))
    yield _part(model, machine, settings, smaller, quantized)
    yield _memory(model, machine, settings)


def _first(found: Iterator[Change]) -> Change | None:
    return next((change for change in found if change.verdict.verdict == "fits"), None)


def _programs(model: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Change | None:
    """Closing what other programs hold, where that is known and enough."""
    apart = machine.gpus if machine.kind == "discrete" else ()  # what a GPU holds of a shared memory is in use there already
    held = (machine.memory.in_use_bytes or 0) + sum(gpu.in_use_bytes or 0 for gpu in apart)
    if not held:
        return None
    idle = machine.model_copy(
        update={
            "memory": machine.memory.model_copy(update={"in_use_bytes": None}),
            "gpus": tuple(gpu.model_copy(update={"in_use_bytes": None}) for gpu in machine.gpus),
        }
    )
    change = _tried(model, idle, settings, "programs", f"Close other programs: they hold {format_size(held)} now.")
    return change if change and change.verdict.verdict == "fits" else None


def _limit(model: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Change | None:
    """Raising what the GPU may take of a shared memory; a risk, which is said."""
    if highest_gpu_limit(machine) is None:
        return None
    change = _tried(model, machine, settings, "limit", "")
    if change is None or change.verdict.verdict != "tight" or (machine.raise_gpu_limit or "") not in change.verdict.reasons[0]:
        return None
    said = (
        f"Raise the GPU's limit until the next restart: {machine.raise_gpu_limit}. Less is then left to the system; "
        "close other programs first, since a system without memory can freeze."
    )
    return Change("limit", said, change.plan, change.verdict)


def _caches(model: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Iterator[Change]:
    for kind in CACHES:
        if settings.type_k != "f16" or settings.type_v != "f16":
            return
        changed = settings.model_copy(update={"type_k": kind, "type_v": kind})
        change = _tried(model, machine, changed, "cache", f"Keep the KV cache as {kind}.")
        if change:
            yield change


def _contexts(model: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Iterator[Change]:
    context = settings.context // 2
    while context >= LEAST_CONTEXT:
        changed = settings.model_copy(update={"context": context, "batch": min(settings.batch, context)})
        changed = changed.model_copy(update={"ubatch": min(settings.ubatch, changed.batch)})
        change = _tried(model, machine, changed, "context", f"Lower the context to {context:,} tokens.")
        if change:
            yield change
        context //= 2


def _files(
    machine: MachineProfile, settings: RunSettings, smaller: Sequence[str], quantized: Quantized | None
) -> Iterator[Change]:
    for name in smaller:
        if quantized is None:
            return
        file = quantized(name)
        said = f"Take the smaller file {name} ({format_size(file.file_bytes)})."
        change = _tried(file, machine, settings, "quantization", said)
        if change:
            yield Change(change.kind, change.said, change.plan, change.verdict, name)


def _together(
    model: ModelMetadata, machine: MachineProfile, settings: RunSettings, smaller: Sequence[str], quantized: Quantized | None
) -> Change | None:
    """A smaller cache, a shorter context and a smaller file at once, where none of them is enough alone."""
    cached = settings.model_copy(update={"type_k": "q8_0", "type_v": "q8_0"})
    files = [(model, None), *((quantized(name), name) for name in smaller if quantized is not None)]
    for file, name in files:
        for change in _contexts(file, machine, cached):
            if change.verdict.verdict == "fits":
                said = f"keep the KV cache as q8_0 and lower the context to {change.plan.settings.context:,} tokens"
                said = f"Take the smaller file {name}, {said}." if name else f"{said[:1].upper()}{said[1:]}."
                return Change("several", said, change.plan, change.verdict, name)
    return None


def _part(
    model: ModelMetadata, machine: MachineProfile, settings: RunSettings, smaller: Sequence[str], quantized: Quantized | None
) -> Change | None:
    """Leaving to system memory what the GPUs cannot hold, in this file or the next smaller that allows it.

    Not on unified memory, where it is the same memory.
    """
    if machine.kind != "discrete":
        return None
    divided = settings.model_copy(update={"gpu_layers": "auto"})
    for name in (None, *(smaller if quantized else ())):
        file = quantized(name) if quantized and name else model
        change = _tried(file, machine, divided, "part", "")
        if change is None or change.verdict.verdict != "partial" or change.verdict.tight:
            continue
        found = change.plan.settings
        layers = f"all but {found.gpu_layers} layers"
        what = f"the experts of {found.cpu_moe_layers} layers" if found.cpu_moe_layers else layers
        said = f"leave {what} in system memory; that is slower."
        said = f"Take the smaller file {name} and {said}" if name else f"{said[:1].upper()}{said[1:]}"
        return Change("part", said, change.plan, change.verdict, name)
    return None


def _memory(model: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Change | None:
    """The smallest memory of those that are sold that would hold it."""
    shared = machine.kind != "discrete"
    now = machine.memory.capacity_bytes if shared else (machine.gpus[0].memory_bytes if machine.gpus else None)
    if now is None:
        return None
    sold = [gib(size) for size in machine.memory_options_bytes] or [float(size) for size in SIZES_GIB]
    for size in sold:
        if size * GIB <= now * 1.05:
            continue
        try:
            larger, _ = adjust(machine, memory_gib=size)
        except HeadroomError:
            return None
        where = "of memory" if shared else "on each GPU" if len(machine.gpus) > 1 else "on the GPU"
        change = _tried(model, larger, settings, "memory", f"It fits with {size:g} GiB {where}.")
        if change and change.verdict.verdict == "fits":
            return change
    return None


def _tried(model: ModelMetadata, machine: MachineProfile, settings: RunSettings, kind: Kind, said: str) -> Change | None:
    try:
        plan = plan_memory(model, machine, settings)
    except HeadroomError:  # a cache type that this model's heads do not allow, for one
        return None
    return Change(kind, said, plan, judge(plan, machine))
