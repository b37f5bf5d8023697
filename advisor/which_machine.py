"""Which machine runs this model? Every machine that holds it whole, smallest memory first."""

from dataclasses import dataclass
from typing import Literal

from advisor.advice.verdict import judge
from advisor.errors import HeadroomError
from advisor.machines.profile import MachineProfile
from advisor.machines.sold import Sold, all_sold
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve as resolve_settings
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import resolve_model
from advisor.question import WhichQuestion
from advisor.speed.forecast import SpeedForecast, forecast


@dataclass(frozen=True)
class Holder:
    """A machine that holds the whole model at full speed."""

    sold: Sold
    plan: MemoryPlan
    verdict: Literal["fits", "tight"]
    speed: SpeedForecast | None


@dataclass(frozen=True)
class Holders:
    """The machines that run a model, smallest memory first, fast ones before slow ones of the same size."""

    model: ModelMetadata
    holders: tuple[Holder, ...]
    asked: int
    """How many machines were looked at."""


def which_machine(question: WhichQuestion) -> Holders:
    """The machines that run the model of `question` whole: on its GPUs, or where it has none, in its memory.

    Raises QuestionError or MissingPartError where the model is not known.
    """
    model = resolve_model(question.model, question.quant)
    sold = all_sold()
    found = [holder for each in sold if (holder := _holder(model, each, question)) is not None]
    if question.min_tps is not None:
        found = [holder for holder in found if _rate(holder) >= question.min_tps]
    found.sort(key=lambda holder: (holder.sold.memory_bytes or 0, -_rate(holder), holder.sold.name))
    return Holders(model, tuple(found), len(sold))


def _holder(model: ModelMetadata, sold: Sold, question: WhichQuestion) -> Holder | None:
    machine = sold.machine
    if not _may_hold(model, machine):
        return None
    try:
        overrides = {"context": question.context, "gpu_layers": "all" if machine.gpus else 0}
        settings = resolve_settings(overrides, model, has_gpu=bool(machine.gpus), machine=machine)
        plan = plan_memory(model, machine, settings)
    except HeadroomError:  # a model with fewer layers than the machine has GPUs, for one
        return None
    verdict = judge(plan, machine).verdict
    if verdict not in ("fits", "tight"):
        return None
    return Holder(sold, plan, verdict, forecast(model, plan, machine, generation_only=True))


def _may_hold(model: ModelMetadata, machine: MachineProfile) -> bool:
    """False where nine tenths of the file are more than the memory: the rest may stay on the host (the token embedding)."""
    if machine.kind == "discrete":
        room = sum(gpu.capacity_bytes or 0 for gpu in machine.gpus)
    else:
        room = machine.memory.capacity_bytes or 0
    return model.file_bytes is None or 0.9 * model.file_bytes <= room


def _rate(holder: Holder) -> float:
    """Expected tokens a second; 0 where nobody knows, so that a wish for speed is not answered with it."""
    rate = holder.speed.generate_tps if holder.speed else None
    return rate.expected if rate else 0.0
