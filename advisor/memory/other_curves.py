"""How memory grows with the context in the programs that are not built on llama.cpp."""

from collections.abc import Mapping

from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curve, Curves, context_steps, counts_in, deciding_pool, limits
from advisor.memory.other_plans import plan_other
from advisor.memory.pytorch import GPU_MEMORY_UTILIZATION
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata


def other_curves_of(
    models: Mapping[str, ModelMetadata], machine: MachineProfile | None, settings: RunSettings, *, gpus: int = 1
) -> Curves:
    """As `curves_of`, for models of `runtime_model`: what the asked number of sequences needs, not all that vLLM takes."""
    first = next(iter(models.values()))
    contexts = context_steps(first.hyperparameters.context_length, settings.context)
    plan = plan_other(first, machine, settings, gpus=gpus, fill=False)
    pool = deciding_pool(plan)
    members = [index for index, device in enumerate(plan.devices) if counts_in(device.kind, device.pool, pool)]
    limit, usable = limits(pool, machine)
    if settings.runtime == "vllm" and usable is not None and pool.capacity_bytes is not None:
        usable = min(usable, int(pool.capacity_bytes * GPU_MEMORY_UTILIZATION))
    found = []
    for name, model in models.items():
        totals = tuple(_total(model, machine, settings, context, gpus, members) for context in contexts)
        held = [context for context, total in zip(contexts, totals, strict=True) if usable is not None and total <= usable]
        found.append(Curve(name, contexts, totals, max(held) if held else None))
    return Curves(tuple(found), limit, usable)


def _total(
    model: ModelMetadata, machine: MachineProfile | None, settings: RunSettings, context: int, gpus: int, members: list[int]
) -> int:
    step = context if settings.runtime == "transformers" else settings.batch
    longer = settings.model_copy(update={"context": context, "batch": step, "ubatch": step})
    devices = plan_other(model, machine, longer, gpus=gpus, fill=False).devices
    return sum(devices[index].total_bytes for index in members)
