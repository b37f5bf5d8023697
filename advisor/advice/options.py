"""What a machine can run: for each model the best file, with its plan and verdict. Pure.

The order: verdict first, then the quality that is expected of the file for the purpose (`advisor.advice.quality.in_order`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from advisor.advice.quality import Purpose, QualityKey, Rated, in_order, quality_key
from advisor.advice.verdict import WORST_FIRST, Verdict, judge, judge_grid
from advisor.machines.profile import MachineProfile
from advisor.memory.devices import devices_of
from advisor.memory.grid import whole_grid
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.speed.forecast import Calibration, SpeedForecast, forecast

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K", "IQ2_XXS", "IQ1_S")
"""Files that publishers offer for nearly every model, best first."""
STRONGLY_COMPRESSED = frozenset(("Q3_K_M", "Q2_K", "IQ2_XXS", "IQ1_S"))

USUAL = "Q4_K_M"
"""The file that most people run, where not all of it fits on the GPU."""

SettingsFor = Callable[[ModelMetadata], RunSettings]

_ORDER = ("fits", "tight", "partial", "no")


class Candidate(Rated, Protocol):
    """A model of the catalogue, as ranking sees it."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
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
    quality: QualityKey | None = None
    """For the purpose that the options were ranked for."""
    speed: SpeedForecast | None = None
    """Of generation only; None where nobody knows a bandwidth."""

    @property
    def strongly_compressed(self) -> bool:
        """True below four bits a weight, where quality falls noticeably."""
        return self.quantization in STRONGLY_COMPRESSED


Calibrated = Callable[[MemoryPlan], Calibration | None]
"""What was measured on the machine for plans like one; None where nothing was."""


def not_calibrated(_: MemoryPlan) -> Calibration | None:
    """Of a machine on which nothing was measured."""
    return None


def with_speed(option: Option, machine: MachineProfile, calibrated: Calibrated = not_calibrated) -> Option:
    """The option with its speed."""
    file = option.model.quantized(option.quantization)
    speed = forecast(file, option.plan, machine, calibration=calibrated(option.plan), generation_only=True)
    return replace(option, speed=speed)


def ladder(model: Candidate) -> Sequence[str]:
    """The quantizations to choose from, best first: the one a model was released in, where it was released quantized."""
    return (model.native_quantization,) if model.native_quantization else LADDER


def best_whole(model: Candidate, machine: MachineProfile, settings_for: SettingsFor) -> Option:
    """The model in its best file that fits whole on the GPUs (without one: in memory), else its best that is tight there.

    Else its smallest, which is too large ("no").
    """
    names = [name for name in ladder(model) if not hopeless(model, name, machine)] or [ladder(model)[-1]]
    settings = settings_for(model.quantized(names[0])).model_copy(update={"gpu_layers": "all" if machine.gpus else 0})
    devices = devices_of(machine, 1)
    first: dict[str, str] = {}
    for name in names:  # mostly the first fits, and the others are not looked at
        grid = whole_grid(model, [name], [settings], devices)
        first.setdefault(WORST_FIRST[judge_grid(grid, devices, machine)[0, 0]], name)
        if "fits" in first:
            break
    file = model.quantized(first.get("fits") or first.get("tight") or names[-1])
    return _option(model, file, plan_memory(file, machine, settings), machine)


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

    A tenth is taken off for what always stays on the host (the token embedding). False where capacity or quantization
    is unknown.
    """
    shared = machine.kind != "discrete"
    sizes = [machine.memory.capacity_bytes] if shared else [gpu.capacity_bytes for gpu in machine.gpus]
    if with_host and not shared:
        sizes.append(machine.memory.capacity_bytes)
    entry = QUANTIZATIONS.get(quantization)
    if entry is None or any(size is None for size in sizes):
        return False
    return 0.9 * model.parameters * entry.default_bits / 8 > sum(size or 0 for size in sizes)


def _option(model: Candidate, file: ModelMetadata, plan: MemoryPlan, machine: MachineProfile) -> Option:
    return Option(model, file.quantization or "", file.file_bytes, plan, judge(plan, machine))


def ranked(options: Iterable[Option], purpose: Purpose = "chat") -> tuple[Option, ...]:
    """The options in order, numbered from 1; ties fall by name, so that the same question gets the same answer."""

    def quality(option: Option) -> QualityKey:
        return quality_key(option.model, option.quantization, purpose)

    by_name = sorted(options, key=lambda option: (option.model.name, option.model.id))
    ordered = [
        option
        for verdict in _ORDER
        for option in in_order([option for option in by_name if option.verdict.verdict == verdict], quality)
    ]
    return tuple(replace(option, rank=rank, quality=quality(option)) for rank, option in enumerate(ordered, start=1))
