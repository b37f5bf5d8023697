"""What a machine can run: for each model the best file, with its plan and verdict. Pure.

The order. Verdict first; then files of at least four bits a weight before stronger compression; then size and age together:
one year of release date counts as much as `DOUBLINGS_A_YEAR` doublings of the number of weights. Measured scores of models
are not used here yet, and the order says so in `basis`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import log2
from typing import Protocol

from advisor.advice.verdict import Verdict, judge
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory, plan_quantizations
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.speed.forecast import SpeedForecast, forecast

DOUBLINGS_A_YEAR = 1.0
"""Weights that a model a year older needs for the same quality, in doublings: our rule for the order, shown as no score.

Far below the four a year of "Densing Law of LLMs" (Xiao et al., arXiv:2412.04315: density doubles about every three months),
which holds for the best models only."""

BASIS = "size and release date; no measured score"

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K", "IQ2_XXS", "IQ1_S")
"""Files that publishers offer for nearly every model, best first."""
STRONGLY_COMPRESSED = frozenset(("Q3_K_M", "Q2_K", "IQ2_XXS", "IQ1_S"))

USUAL = "Q4_K_M"
"""The file that most people run, where not all of it fits on the GPU."""

SettingsFor = Callable[[ModelMetadata], RunSettings]

_ORDER = {"fits": 0, "tight": 1, "partial": 2, "no": 3}


class Candidate(Protocol):
    """A model of the catalogue, as ranking sees it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def parameters(self) -> int: ...
    @property
    def active_parameters(self) -> int | None: ...
    @property
    def release_date(self) -> date | None: ...
    @property
    def native_quantization(self) -> str | None: ...
    def quantized(self, quantization: str) -> ModelMetadata: ...


@dataclass(frozen=True)
class Option:
    """One model in the file that suits the machine best."""

    model: Candidate
    quantization: str
    file_bytes: int | None
    plan: MemoryPlan
    verdict: Verdict
    rank: int = 0
    basis: str = BASIS
    speed: SpeedForecast | None = None
    """Of generation only; None where nobody knows a bandwidth."""

    @property
    def strongly_compressed(self) -> bool:
        """True below four bits a weight, where quality falls noticeably."""
        return self.quantization in STRONGLY_COMPRESSED


def with_speed(option: Option, machine: MachineProfile) -> Option:
    """The option with its speed."""
    file = option.model.quantized(option.quantization)
    return replace(option, speed=forecast(file, option.plan, machine, generation_only=True))


def ladder(model: Candidate) -> Sequence[str]:
    """The quantizations to choose from, best first: the one a model was released in, where it was released quantized."""
    return (model.native_quantization,) if model.native_quantization else LADDER


def best_whole(model: Candidate, machine: MachineProfile, settings_for: SettingsFor) -> Option:
    """The model in its best file that fits whole on the GPUs (without one: in memory), else its best that is tight there.

    Else its smallest, which is too large ("no").
    """
    names = [name for name in ladder(model) if not hopeless(model, name, machine)] or [ladder(model)[-1]]
    files = [model.quantized(name) for name in names]
    settings = settings_for(files[0]).model_copy(update={"gpu_layers": "all" if machine.gpus else 0})
    tight: Option | None = None
    for file, plan in zip(files, plan_quantizations(files, machine, settings), strict=True):
        option = _option(model, file, plan, machine)
        if option.verdict.verdict == "fits":
            return option
        if option.verdict.verdict == "tight" and tight is None:
            tight = option
    return tight or option


def best_in_part(whole: Option, machine: MachineProfile, settings_for: SettingsFor) -> Option:
    """A model that is too large for the GPUs, with what they cannot hold in system memory: in the best of the usual files that
    leaves room for that, else `whole` as it is."""
    model = whole.model
    if whole.verdict.verdict != "no" or not machine.gpus:
        return whole
    names = ladder(model)
    for name in names[names.index(USUAL) if USUAL in names else 0 :]:
        if hopeless(model, name, machine, with_host=True):
            continue
        file = model.quantized(name)
        option = _option(model, file, plan_memory(file, machine, settings_for(file)), machine)
        if option.verdict.verdict != "no":
            return option
    return whole


def hopeless(model: Candidate, quantization: str, machine: MachineProfile, *, with_host: bool = False) -> bool:
    """True where the weights alone are too much, reckoned by the type that most of them have.

    A tenth is taken off for what always stays on the host (the token embedding). False where the capacity is unknown.
    """
    shared = machine.kind != "discrete"
    sizes = [machine.memory.capacity_bytes] if shared else [gpu.capacity_bytes for gpu in machine.gpus]
    if with_host and not shared:
        sizes.append(machine.memory.capacity_bytes)
    if any(size is None for size in sizes):
        return False
    return 0.9 * model.parameters * QUANTIZATIONS[quantization].default_bits / 8 > sum(size or 0 for size in sizes)


def _option(model: Candidate, file: ModelMetadata, plan: MemoryPlan, machine: MachineProfile) -> Option:
    return Option(model, file.quantization or "", file.file_bytes, plan, judge(plan, machine))


def ranked(options: Iterable[Option]) -> tuple[Option, ...]:
    """The options in order, numbered from 1; ties fall by name, so that the same question gets the same answer."""

    def key(option: Option) -> tuple[object, ...]:
        return (
            _ORDER[option.verdict.verdict],
            option.strongly_compressed,
            -(log2(option.model.parameters) + DOUBLINGS_A_YEAR * _years(option.model.release_date)),
            option.model.name,
            option.model.id,
        )

    return tuple(replace(option, rank=rank) for rank, option in enumerate(sorted(options, key=key), start=1))


def _years(released: date | None) -> float:
    """Years since 2023 began, when the first open models that count here came out; 0 where the date is unknown."""
    return 0.0 if released is None else (released - date(2023, 1, 1)).days / 365.25
